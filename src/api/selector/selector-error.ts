/** A selector that cannot be read. The message quotes it and says where and what was expected. */
export class SelectorError extends Error {
  readonly selector: string;
  /** Offset of the first character that does not fit, counted from 0 in UTF-16 units; the length of the text at its end. */
  readonly position: number;
  constructor(selector: string, position: number, problem: string) {
    const where = position >= selector.length ? "at its end" : `at character ${position + 1}`;
    super(`Cannot read the selector ${JSON.stringify(selector)}: ${where}, ${problem}`);
    this.name = "SelectorError";
    this.selector = selector;
    this.position = position;
  }
}
