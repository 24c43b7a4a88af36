// Prints the events of a bus user, one JSON object a line: `node subscribe.mjs bus-user.json`.
//
// The file is the response to `POST /api/v1/auth/bus-users`. It needs no packages, to show all that is sent; your own program
// is shorter with `@nats-io/transport-node` and `@nats-io/jetstream`.

import { createPrivateKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";

const user = JSON.parse(readFileSync(process.argv[2], "utf8"));
const inbox = `${user.inbox_prefix}.events`;
const next = `$JS.${user.domain}.API.CONSUMER.MSG.NEXT.${user.stream}.${user.consumer}`;
const BATCH = 100;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Return the signature of the server's nonce: the seed is base32, with two bytes before the Ed25519 key. */
function signature(nonce) {
  const bits = [...user.seed].map((letter) => LETTERS.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const raw = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2))).subarray(2, 34);
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), raw]);
  return sign(null, Buffer.from(nonce), createPrivateKey({ key: der, format: "der", type: "pkcs8" })).toString("base64url");
}

function publish(subject, body = "", reply = "") {
  socket.write(`PUB ${subject} ${reply} ${Buffer.byteLength(body)}\r\n${body}\r\n`);
}

let missing = 0;
function pull() {
  missing = BATCH;
  publish(next, JSON.stringify({ batch: BATCH, expires: 30e9 }), inbox);
}

function login(info) {
  if (info.tls_required) {
    socket.removeAllListeners("data");
    socket = tls.connect({ socket, servername: new URL(user.url).hostname }, hello.bind(null, info));
    listen();
  } else hello(info);
}

function hello(info) {
  const options = { nkey: user.public_key, sig: signature(info.nonce), headers: true, verbose: false, pedantic: false };
  socket.write(`CONNECT ${JSON.stringify(options)}\r\nSUB ${inbox} 1\r\n`);
  pull();
  console.error("connected");
}

function receive(status, reply, headers, data) {
  if (status === "408" || status === "404") return pull(); // nothing has arrived in time
  if (!headers["ce-id"]) return setTimeout(pull, 1000); // such as that the consumer was removed
  console.log(JSON.stringify({ id: headers["ce-id"], type: headers["ce-type"], data: JSON.parse(data) }));
  publish(reply); // only now: an event that is not acknowledged is redelivered after 30 s
  if (--missing === 0) pull();
}

let buffer = Buffer.alloc(0);
function read(chunk) {
  buffer = Buffer.concat([buffer, chunk]);
  for (let end; (end = buffer.indexOf("\r\n")) >= 0; ) {
    const [operation, ...words] = buffer.subarray(0, end).toString().split(" ");
    if (operation !== "HMSG") {
      buffer = buffer.subarray(end + 2);
      if (operation === "INFO" && missing === 0) login(JSON.parse(words.join(" ")));
      else if (operation === "PING") socket.write("PONG\r\n");
      else if (operation === "-ERR") console.error(words.join(" "));
      continue;
    }
    const [head, total] = words.slice(-2).map(Number);
    if (buffer.length < end + 2 + total + 2) return;
    const message = buffer.subarray(end + 2, end + 2 + total);
    buffer = buffer.subarray(end + 2 + total + 2);
    const [first, ...lines] = message.subarray(0, head).toString().split("\r\n").filter(Boolean);
    const headers = Object.fromEntries(lines.map((line) => [line.split(":")[0], line.slice(line.indexOf(":") + 1).trim()]));
    receive(first.split(" ")[1], words[2], headers, message.subarray(head).toString());
  }
}

function listen() {
  socket.on("data", read).on("error", (error) => console.error(error.message));
  socket.on("close", () => console.error("disconnected")); // connect again here, unless the bus user was revoked
}

const { hostname, port } = new URL(user.url);
let socket = net.connect(Number(port || 4222), hostname);
listen();
