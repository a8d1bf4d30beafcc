// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// node onnx_runtime.js MODEL SHAPE THREADS: runs MODEL in ONNX Runtime on one input, SHAPE as 1,3,32,32, which comes as
// raw float32 on stdin; then answers every line on stdin, a number of runs, with one line: "WALL CPU", seconds that
// they took. Its first line is "VERSION COUNT" and COUNT values of the first output; "error: ..." when something fails.
// Without arguments: only looks whether the package onnxruntime-node is there.
const fs = require('fs');
const runtime = require('onnxruntime-node');

function readExactly(count) {
  const bytes = Buffer.alloc(count);
  for (let have = 0; have < count;) {
    const got = fs.readSync(0, bytes, have, count - have);
    if (got === 0) process.exit(0);
    have += got;
  }
  return bytes;
}

function readLine() {
  let line = '';
  for (let byte = readExactly(1)[0]; byte !== 10; byte = readExactly(1)[0]) line += String.fromCharCode(byte);
  return line;
}

async function main([model, shape, threads]) {
  const options = {intraOpNumThreads: Number(threads), interOpNumThreads: 1, logSeverityLevel: 4};
  const session = await runtime.InferenceSession.create(model, options);
  const dims = shape.split(',').map(Number);
  const bytes = readExactly(4 * dims.reduce((a, b) => a * b, 1));
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const feeds = {[session.inputNames[0]]: new runtime.Tensor('float32', values, dims)};
  const result = (await session.run(feeds))[session.outputNames[0]].data;
  const version = JSON.parse(fs.readFileSync(require.resolve('onnxruntime-node/package.json'))).version;
  fs.writeSync(1, `${version} ${result.length} ${Array.from(result).join(' ')}\n`);
  for (;;) {
    const runs = Number(readLine());
    const cpu = process.cpuUsage(), start = process.hrtime.bigint();
    for (let i = 0; i < runs; ++i) await session.run(feeds);
    const wall = Number(process.hrtime.bigint() - start) * 1e-9, used = process.cpuUsage(cpu);
    fs.writeSync(1, `${wall} ${(used.user + used.system) * 1e-6}\n`);
  }
}

if (process.argv.length > 2)
  main(process.argv.slice(2)).catch((error) => {
    fs.writeSync(1, `error: ${error.message.split('\n')[0]}\n`);
    process.exit(1);
  });
