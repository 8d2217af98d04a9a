/** Runs a step of a container's set-up, so that its failure says what it was part of, as Docker's does. */
export function settingUp<Result>(step: () => Result, detail = ''): Result {
  try {
    return step();
  } catch (error) {
    const message = `failed to set up container networking: ${detail}${(error as Error).message}`;
    throw Object.assign(error as Error, { message });
  }
}
