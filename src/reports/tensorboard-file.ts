/**
 * Event files of TensorBoard, written without TensorFlow: records of protobuf messages, each flushed as it is written.
 *
 * Reference: `tensorboard/summary/writer/event_file_writer.py`; `torch/utils/tensorboard/summary.py` for the texts.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { fileError } from '../checkpoint/index.ts';
import { framedRecord } from '../support/record-framing.ts';
import { EventSchema } from './generated/tensorboard-event_pb.ts';

export interface TensorBoardFileOptions {
  /**
   * The first step that this file tells of, where the run was resumed: TensorBoard forgets what earlier files of the
   * directory say of this step and later ones, so that steps that were made twice are shown once.
   */
  readonly resumedAt?: number;
  /** Seconds since 1970; the system's unless told. */
  readonly clock?: () => number;
}

const FILE_VERSION = 'brain.Event:2';
/** Of a `SessionLog`, and of a `Tensor`. */
const START = 1;
const DT_STRING = 7;
/** Files of one process that begin in the same second. */
const MOST_FILES = 1000;

export class TensorBoardFile {
  readonly path: string;
  readonly #file: number;
  readonly #clock: () => number;

  private constructor(path: string, file: number, clock: () => number) {
    this.path = path;
    this.#file = file;
    this.#clock = clock;
  }

  /**
   * Begins a new file in a directory, which is made if need be.
   *
   * @throws BertramError when it cannot be written
   */
  static create(directory: string, options: TensorBoardFileOptions = {}): TensorBoardFile {
    const { resumedAt, clock = () => Date.now() / 1000 } = options;
    const { path, file } = openNew(directory, Math.floor(clock()));
    const events = new TensorBoardFile(path, file, clock);
    events.#write({ what: { case: 'fileVersion', value: FILE_VERSION } });
    if (resumedAt !== undefined) {
      events.#write({ step: BigInt(resumedAt), what: { case: 'sessionLog', value: { status: START } } });
    }
    return events;
  }

  /** Numbers of a step by their tags, such as `train/loss`. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const value = Object.entries(values).map(([tag, number]) => ({
      tag,
      value: { case: 'simpleValue' as const, value: number },
    }));
    if (value.length > 0) this.#write({ step: BigInt(step), what: { case: 'summary', value: { value } } });
  }

  /** A text in Markdown, shown under its tag. */
  text(tag: string, text: string): void {
    const tensor = {
      dtype: DT_STRING,
      tensorShape: { dim: [{ size: 1n }] },
      stringVal: [new TextEncoder().encode(text)],
    };
    const value = {
      tag: `${tag}/text_summary`,
      value: { case: 'tensor' as const, value: tensor },
      metadata: { pluginData: { pluginName: 'text' } },
    };
    this.#write({ what: { case: 'summary', value: { value: [value] } } });
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(event: MessageInitShape<typeof EventSchema>): void {
    const record = framedRecord(
      toBinary(EventSchema, create(EventSchema, { ...event, wallTime: this.#clock() })),
    );
    try {
      for (let done = 0; done < record.length;) done += writeSync(this.#file, record, done);
    } catch (error) {
      throw fileError(this.path, 'cannot be written', error);
    }
  }
}

/** The names are those of TensorBoard's own writer; files that begin in the same second are counted on. */
function openNew(directory: string, second: number): { readonly path: string; readonly file: number } {
  const name = `events.out.tfevents.${String(second).padStart(10, '0')}.${hostname()}.${process.pid}`;
  try {
    mkdirSync(directory, { recursive: true });
    for (let count = 0; ; count++) {
      const path = join(directory, `${name}.${count}`);
      try {
        return { path, file: openSync(path, 'wx') };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || count === MOST_FILES) throw error;
      }
    }
  } catch (error) {
    throw fileError(directory, 'cannot be written', error);
  }
}
