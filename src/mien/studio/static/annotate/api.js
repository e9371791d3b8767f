// Requests to the server, all relative to this page's own address.

/** An answer other than 200; `status` is 0 where the server could not be reached. */
export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export async function ask(path, told = undefined, options = {}) {
  const request = { cache: "no-store", ...options };
  if (told !== undefined) {
    request.method = "POST";
    request.body = JSON.stringify(told);
    request.headers = { "Content-Type": "application/json" };
  }
  let answer, text;
  try {
    answer = await fetch(path, { signal: AbortSignal.timeout(10000), ...request });
    text = await answer.text();
  } catch {
    throw new Refusal(0, "The server cannot be reached.");
  }
  let data = {};
  try {
    data = JSON.parse(text);
  } catch {
    throw new Refusal(answer.ok ? 0 : answer.status, text || "The server's answer cannot be read.");
  }
  if (!answer.ok) throw new Refusal(answer.status, data.error ?? text);
  return data;
}

export const videoAddress = (name) => `video/${encodeURIComponent(name)}`;
