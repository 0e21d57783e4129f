// Addresses of sockets for people. Pure. Called by sockets.js.

import { number, object, text } from "./format.js";

export const host = (address) => text(object(address).ip) ?? "";
export const port = (address) => number(object(address).port) ?? 0;
/** `127.0.0.1:80`, `[::1]:80`; nothing where there is no address. */
export const place = (address) => (host(address) === "" && port(address) === 0 ? "" : `${host(address).includes(":") ? `[${host(address)}]` : host(address)}:${port(address) || "*"}`);

/** To whom a listening address is open. */
export function openTo(address) {
  const ip = host(address).replace(/^::ffff:/, "");
  if (/^127\./.test(ip) || ip === "::1") return "this machine";
  if (ip === "" || ip === "*" || ip === "0.0.0.0" || ip === "::") return "everybody";
  if (/^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|fe80:|f[cd])/i.test(ip)) return "the local network";
  return "its network";
}
