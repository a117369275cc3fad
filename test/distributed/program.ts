/** The program from its sources, as one rank runs it: what `bin/bertram.js` is to the compiled ones. */
import { main } from '../../src/cli/main.ts';

process.exitCode = await main(process.argv.slice(2));
