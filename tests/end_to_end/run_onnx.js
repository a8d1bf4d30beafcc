// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// node run_onnx.js MODEL INPUT SHAPE OUTPUT: runs MODEL in ONNX Runtime once a row of INPUT (raw float32, SHAPE as
// 20,1,28,28) and writes all its outputs, row by row, to OUTPUT (raw float32). Without arguments: only looks whether
// the package onnxruntime-node is there.
const fs = require('fs');
const runtime = require('onnxruntime-node');

async function main([model, input, shape, output]) {
  const options = {intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4};
  const session = await runtime.InferenceSession.create(model, options);
  const dims = shape.split(',').map(Number);
  const bytes = fs.readFileSync(input);
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const rowSize = values.length / dims[0];
  const rows = [];
  for (let row = 0; row < dims[0]; ++row) {
    const tensor = new runtime.Tensor('float32', values.slice(row * rowSize, (row + 1) * rowSize), [1, ...dims.slice(1)]);
    const results = await session.run({[session.inputNames[0]]: tensor});
    for (const name of session.outputNames) rows.push(Buffer.from(Float32Array.from(results[name].data).buffer));
  }
  fs.writeFileSync(output, Buffer.concat(rows));
}

if (process.argv.length > 2)
  main(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
