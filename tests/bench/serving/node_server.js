// An LSTM behind Node's own http server: node_server.js PORT FILE.onnx PROCESSES
// Requests and answers are the Open Inference Protocol's, as lstmd's are.
'use strict';
const cluster = require('node:cluster');
const http = require('node:http');
const ort = require('onnxruntime-node');

const [port, file, processes] = process.argv.slice(2);

async function infer(session, text) {
    const {shape, data} = JSON.parse(text).inputs[0];
    const input = new ort.Tensor('float32', Float32Array.from(data), shape);
    const results = await session.run({input});
    const outputs = Object.entries(results).map(([name, tensor]) => ({
        name, datatype: 'FP32', shape: tensor.dims, data: Array.from(tensor.data)}));
    return JSON.stringify({model_name: 'vad', outputs});
}

async function serve() {
    const session = await ort.InferenceSession.create(file, {intraOpNumThreads: 1});
    const server = http.createServer((request, response) => {
        const pieces = [];
        request.on('data', (piece) => pieces.push(piece));
        request.on('end', async () => {
            let status = 200, answer;
            try {
                answer = await infer(session, Buffer.concat(pieces).toString());
            } catch (error) {
                status = 400;
                answer = JSON.stringify({error: String(error)});
            }
            response.writeHead(status, {
                'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(answer)});
            response.end(answer);
        });
    });
    server.keepAliveTimeout = 60000;
    server.listen(Number(port), '127.0.0.1');
}

if (cluster.isPrimary && Number(processes) > 1)
    for (let i = 0; i < Number(processes); i++) cluster.fork();
else
    serve();
