// Writes values.json beside this file: what a JavaScript engine makes of JSON texts (E1), their
// RFC 8785 form and hashes (section 10). Run with `node tests/vectors/make.mjs` after a change.

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";

const texts = [
  "null", "true", "false", '""', "[]", "{}", " [ 1 , 2 ] ",
  "0", "-0", "-0.0", "0e0", "-0e-5", "1", "-1", "1.0", "1.50", "1e2", "1E+2", "1e-2", "100e-2",
  "0.1", "0.30000000000000004", "-1.5e-3", "123456.789e3", "4.35", "1e-6", "1e-7", "123e-9",
  "1e15", "1e16", "1e20", "1e21", "1e22", "1.7976931348623157e308", "-1.7976931348623157e308",
  "5e-324", "-5e-324", "2.2250738585072014e-308", "1e-400", "-1e-400", "4.9406564584124654e-324",
  "9007199254740990", "9007199254740991", "9007199254740992", "9007199254740993",
  "-9007199254740991", "-9007199254740992", "-9007199254740993", "9007199254740991.0",
  "9007199254740992.0", "9007199254740993.5", "9.007199254740992e15", "4503599627370497.5",
  "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551615",
  "18446744073709551616", "123456789012345678901234567890",
  "-340282366920938463463374607431768211456",
  "1" + "0".repeat(308), "333333333.33333329", "1e23", "9.999999999999999e22", "0.000001", "1e-27",
  String.raw`"\u0000\u001f\u007f\u0080"`,
  String.raw`"\"\\\/\b\f\n\r\t"`,
  String.raw`"\u2028\u2029"`,
  "\"\u2028\u2029\"", '"\u{1F600}"', String.raw`"\ud83d\ude00"`,
  '"\u00e9e\u0301"', '"\uffff\ufeff"',
  '"<script>&amp;</script>"', '"1e400 -0 9007199254740993"',
  '{"b":1,"a":2}', '{"10":1,"9":2,"1":3,"a":4}', '{"-1":0,"01":0,"1":0,"1.5":0}', '{"a":1,"a":2}',
  '{"a":{"x":1},"b":0,"a":{"y":-0}}', '{"__proto__":1,"constructor":2,"toString":3}', '{"":0}',
  '{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\u{1F600}":5,"\u0080":6,"\u00f6":7}'.replace("\r", "\\r"),
  '{"\u{10000}":1,"\uffff":2}', String.raw`{"\u0061":1,"a":2}`,
  '[[[[[[[[[[[[[[[[1.0]]]]]]]]]]]]]]]]', '[1,[2.0,{"a":[-0,1e3,null,"x"]}],{}]',
  '{"n":{"n":{"n":[9007199254740993,{"z":0.10,"a":-0.0}]}}}',
  '{"status":"active","timestamp":1234567890}',
];

const entries = [
  { key: "node-status", version: 1795327399733, value: '{"status":"active"}', expiresAt: null },
  { key: "node-status", version: 1795327399733, value: null, expiresAt: null },
  { key: "\u00fc \u{1F600}\u0000", version: 1, value: "null", expiresAt: null },
  { key: "k", version: 9007199254740991, value: "9007199254740992.0", expiresAt: 1795327399734 },
  { key: "k", version: 2, value: '{"10":1,"9":[1e21,1e-7]}', expiresAt: 9007199254740991 },
  { key: "k", version: 2, value: null, expiresAt: 1 },
];

// RFC 8785: JavaScript's own sort compares UTF-16 units, and its own number form is the standard's.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const member = (key) => `${JSON.stringify(key)}:${canonical(value[key])}`;
  return `{${Object.keys(value).sort().map(member).join(",")}}`;
}

const sha256 = (text) => createHash("sha256").update(text, "utf8").digest("hex");

function describe(text) {
  const value = JSON.parse(text);
  const bytes = canonical(value);
  return { text, javascript: JSON.stringify(value), canonical: bytes, sha256: sha256(bytes) };
}

function hashed({ key, version, value, expiresAt }) {
  const valueHash = value === null ? null : sha256(canonical(JSON.parse(value)));
  const identity = canonical([sha256(key), version, value === null, valueHash, expiresAt]);
  return { key, version, value, expiresAt, hash: sha256(identity).slice(0, 16) };
}

const vectors = { values: texts.map(describe), entries: entries.map(hashed) };
writeFileSync(new URL("values.json", import.meta.url), JSON.stringify(vectors, null, 1) + "\n");
