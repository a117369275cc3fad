/**
 * Question-answering data sets: SQuAD v1.1 and v2.0 JSON, and the flattened records of Hugging Face `datasets`, as
 * JSON lines or under `data` (the form `run_qa.py --train_file` reads), all checked against their contexts.
 *
 * Source: Rajpurkar et al., "SQuAD: 100,000+ questions for machine comprehension of text" (EMNLP 2016), and "Know what
 * you don't know" (ACL 2018) for the unanswerable questions of v2.0.
 */
import { badInput, messageOf, shown } from '../support/errors.ts';
import { utf16OffsetsOf } from './code-points.ts';

/** A gold answer: `context.slice(start, start + text.length) === text`. */
export interface SquadAnswer {
  readonly text: string;
  /** Offset in the context, in UTF-16 units. */
  readonly start: number;
}

export interface SquadExample {
  readonly id: string;
  /** The article's title; empty where the file has none. */
  readonly title: string;
  readonly question: string;
  readonly context: string;
  /** Several annotators' answers in validation sets; none if and only if `isImpossible`. */
  readonly answers: readonly SquadAnswer[];
  readonly isImpossible: boolean;
}

/** An answer left out because its text does not stand where its offset says. */
export interface DroppedAnswer {
  readonly questionId: string;
  /** Where in the file, such as `data[3].paragraphs[1].qas[0].answers[0]`. */
  readonly path: string;
}

export interface SquadDataset {
  readonly examples: readonly SquadExample[];
  /** Only under `mismatchedAnswers: 'drop'`. A question that lost its every answer is not among the examples. */
  readonly droppedAnswers: readonly DroppedAnswer[];
}

export interface SquadParseOptions {
  /** The file's name, for error messages. */
  readonly source?: string;
  /** What `answer_start` counts. Files made in Python, SQuAD's own among them, count code points. */
  readonly offsetUnit?: 'code-point' | 'utf-16';
  /** What to do with an answer that does not stand where its offset says. */
  readonly mismatchedAnswers?: 'refuse' | 'drop';
}

/**
 * Reads a data set; the layout is detected. Throws `bad-input` at the first thing wrong, naming its place.
 *
 * @param text the decoded file; a byte order mark is passed over
 */
export function parseSquad(text: string, options: SquadParseOptions = {}): SquadDataset {
  const source = options.source ?? 'data set';
  const reader = new SquadReader(source, options);
  const body = text.startsWith('\ufeff') ? text.slice(1) : text;
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch (error) {
    if (!readJsonLines(body, reader)) badInput(source, 'SQuAD JSON or JSON lines', messageOf(error));
    return reader.finish();
  }
  if (isRecord(document) && 'context' in document) reader.readRecord(document, 'line 1');
  else if (Array.isArray(document)) reader.readData(document, '');
  else reader.readData(reader.array(reader.record(document, '')['data'], 'data'), 'data');
  return reader.finish();
}

/** Reads a record a line, if that is what the text's first line suggests; blank lines are passed over. */
function readJsonLines(body: string, reader: SquadReader): boolean {
  let number = 0;
  let isFirst = true;
  for (const line of body.split('\n')) {
    number++;
    if (line.trim() === '') continue;
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch (error) {
      if (isFirst) return false;
      badInput(`${reader.source}: line ${number}`, 'a JSON object', messageOf(error));
    }
    if (isFirst && !(isRecord(record) && 'context' in record)) return false;
    isFirst = false;
    reader.readRecord(reader.record(record, `line ${number}`), `line ${number}`);
  }
  return !isFirst;
}

type JsonRecord = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function join(path: string, field: string): string {
  return path === '' || field.startsWith('[') ? path + field : `${path}.${field}`;
}

/** A context with its offset table, made once for all the questions about it. */
interface KnownContext {
  readonly text: string;
  readonly utf16Offsets: Int32Array | undefined;
}

/** Collects checked examples from either layout. */
class SquadReader {
  readonly source: string;
  readonly #options: SquadParseOptions;
  readonly #examples: SquadExample[] = [];
  readonly #droppedAnswers: DroppedAnswer[] = [];
  readonly #pathOfId = new Map<string, string>();
  /** Questions of one paragraph share one string, also where the layout repeats it for each of them. */
  readonly #contexts = new Map<string, KnownContext>();

  constructor(source: string, options: SquadParseOptions) {
    this.source = source;
    this.#options = options;
  }

  /** The elements of `data`: articles, or flattened records. */
  readData(data: readonly unknown[], path: string): void {
    data.forEach((element, index) => {
      const elementPath = join(path, `[${index}]`);
      const record = this.record(element, elementPath);
      if ('paragraphs' in record) this.#readArticle(record, elementPath);
      else if ('context' in record) this.readRecord(record, elementPath);
      else this.#refuse(elementPath, 'an article with paragraphs, or a question with its context', 'neither');
    });
  }

  #readArticle(article: JsonRecord, path: string): void {
    const title = this.#title(article, path);
    const paragraphs = this.array(article['paragraphs'], join(path, 'paragraphs'));
    paragraphs.forEach((element, index) => {
      const paragraphPath = `${path}.paragraphs[${index}]`;
      const paragraph = this.record(element, paragraphPath);
      const context = this.#context(paragraph, paragraphPath);
      const questions = this.array(paragraph['qas'], join(paragraphPath, 'qas'));
      questions.forEach((qa, questionIndex) => {
        const questionPath = `${paragraphPath}.qas[${questionIndex}]`;
        this.#readQuestion(this.record(qa, questionPath), questionPath, title, context);
      });
    });
  }

  /** One flattened record: a question that carries its own context. */
  readRecord(record: JsonRecord, path: string): void {
    this.#readQuestion(record, path, this.#title(record, path), this.#context(record, path));
  }

  finish(): SquadDataset {
    if (this.#examples.length === 0) badInput(this.source, 'at least one question', 'none');
    return { examples: this.#examples, droppedAnswers: this.#droppedAnswers };
  }

  #readQuestion(qa: JsonRecord, path: string, title: string, context: KnownContext): void {
    const id = this.#string(qa['id'], join(path, 'id'));
    const earlier = this.#pathOfId.get(id);
    if (earlier !== undefined)
      this.#refuse(join(path, 'id'), `an id other than that of ${earlier}`, shown(id));
    this.#pathOfId.set(id, path);
    const question = this.#text(qa['question'], join(path, 'question'));
    const given = this.#answers(qa['answers'], join(path, 'answers'));
    const isImpossible = qa['is_impossible'] ?? given.length === 0;
    if (typeof isImpossible !== 'boolean')
      this.#refuseType(join(path, 'is_impossible'), 'true or false', isImpossible);
    if (isImpossible !== (given.length === 0)) {
      const expected = isImpossible
        ? 'no answers to a question marked impossible'
        : 'an answer, or is_impossible: true';
      this.#refuse(join(path, 'answers'), expected, `${given.length} answers`);
    }
    const answers = given.flatMap((answer) => this.#placed(answer, id, context) ?? []);
    if (answers.length === 0 && !isImpossible) return; // each of them dropped, and told in droppedAnswers
    this.#examples.push({ id, title, question, context: context.text, answers, isImpossible });
  }

  /** `[{text, answer_start}]` as in SQuAD's files, or `{text: [], answer_start: []}` as in `datasets`. */
  #answers(value: unknown, path: string): GivenAnswer[] {
    const answer = (
      text: unknown,
      start: unknown,
      textPath: string,
      startPath: string,
      answerPath: string,
    ) => ({
      text: this.#nonEmpty(this.#string(text, textPath), textPath),
      start: this.#offset(start, startPath),
      path: answerPath,
    });
    if (!isRecord(value)) {
      return this.array(value, path).map((element, index) => {
        const at = `${path}[${index}]`;
        const record = this.record(element, at);
        return answer(record['text'], record['answer_start'], `${at}.text`, `${at}.answer_start`, at);
      });
    }
    const texts = this.array(value['text'], `${path}.text`);
    const starts = this.array(value['answer_start'], `${path}.answer_start`);
    if (texts.length !== starts.length) {
      this.#refuse(
        `${path}.answer_start`,
        `${texts.length} offsets, one for each text`,
        String(starts.length),
      );
    }
    return texts.map((text, index) => {
      const at = `[${index}]`;
      return answer(text, starts[index], `${path}.text${at}`, `${path}.answer_start${at}`, `${path}${at}`);
    });
  }

  /** The answer with its UTF-16 offset, or `undefined` if it is not there and may be dropped. */
  #placed(answer: GivenAnswer, questionId: string, context: KnownContext): SquadAnswer | undefined {
    const { text, start: given, path } = answer;
    const table = this.#options.offsetUnit === 'utf-16' ? undefined : context.utf16Offsets;
    const start = table === undefined ? given : (table[given] ?? context.text.length);
    const found = context.text.slice(start, start + text.length);
    if (found === text) return { text, start };
    if (this.#options.mismatchedAnswers !== 'drop') {
      const expected = `${shown(text)} at answer_start ${given} of the context`;
      this.#refuse(`${path} (question ${questionId})`, expected, shown(found));
    }
    this.#droppedAnswers.push({ questionId, path });
    return undefined;
  }

  #context(record: JsonRecord, path: string): KnownContext {
    const text = this.#text(record['context'], join(path, 'context'));
    const known = this.#contexts.get(text);
    if (known !== undefined) return known;
    const context = { text, utf16Offsets: utf16OffsetsOf(text) };
    this.#contexts.set(text, context);
    return context;
  }

  #title(record: JsonRecord, path: string): string {
    const title = record['title'];
    return title === undefined || title === null ? '' : this.#string(title, join(path, 'title'));
  }

  record(value: unknown, path: string): JsonRecord {
    return isRecord(value) ? value : this.#refuseType(path, 'an object', value);
  }

  array(value: unknown, path: string): readonly unknown[] {
    return Array.isArray(value) ? value : this.#refuseType(path, 'an array', value);
  }

  #string(value: unknown, path: string): string {
    return typeof value === 'string' ? value : this.#refuseType(path, 'a string', value);
  }

  #offset(value: unknown, path: string): number {
    const isOffset = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
    return isOffset ? value : this.#refuseType(path, 'a whole number from 0', value);
  }

  #nonEmpty(value: string, path: string): string {
    return value === '' ? this.#refuse(path, 'a text that is not empty', shown(value)) : value;
  }

  #text(value: unknown, path: string): string {
    const text = this.#string(value, path);
    return text.trim() === '' ? this.#refuse(path, 'a text that is not blank', shown(text)) : text;
  }

  #refuseType(path: string, expected: string, value: unknown): never {
    return this.#refuse(path, expected, value === undefined ? 'nothing' : shown(value));
  }

  #refuse(path: string, expected: string, got: string): never {
    return badInput(path === '' ? this.source : `${this.source}: ${path}`, expected, got);
  }
}

interface GivenAnswer {
  readonly text: string;
  /** In the file's unit. */
  readonly start: number;
  readonly path: string;
}
