// Files that the API returns.

const SAVE_TIMEOUT_MS = 60_000; // until the browser has certainly begun to save a file
const FILE_NAME = /filename(?:\*=UTF-8'')?=?"?([^"]+)/;

/** Save a response under the file name of its header. A link cannot do this: it would send no token. */
export async function save(response) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(await response.blob());
  anchor.download = decodeURIComponent(FILE_NAME.exec(response.headers.get("Content-Disposition"))[1]);
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), SAVE_TIMEOUT_MS);
}
