// Why a file is not believed.

/** A file that proves nothing: `name` is one of those in docs/protocol.md, `detail` says where and what. */
export class Refused extends Error {
  constructor(name, detail) {
    super(`${name}: ${detail}`);
    this.name = name;
    this.detail = detail;
  }
}
