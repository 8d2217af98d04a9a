import { unsupported } from '../../errors.js';

/** Something else than a build that a front end can be asked for, of a Dockerfile without mistakes. @throws GantryError */
export function answerSubrequest(request: string): Record<string, Buffer> {
  if (request !== 'frontend.lint') throw unsupported(`the request "${request}" is not supported by Gantry`);
  return metadata({ warnings: [] }, 'Check complete, no warnings found.\n');
}

function metadata(result: object, text: string): Record<string, Buffer> {
  return {
    version: Buffer.from('1.0.0'),
    'result.json': Buffer.from(JSON.stringify(result)),
    'result.txt': Buffer.from(text),
    'result.statuscode': Buffer.from('0'),
  };
}
