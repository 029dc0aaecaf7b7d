"""An LSTM behind FastAPI: MODEL_FILE=FILE.onnx uvicorn fastapi_server:app

Requests and answers are the Open Inference Protocol's, as lstmd's are. Bodies are read and written
by orjson, past FastAPI's checks of types, which is the fastest that FastAPI can be.
"""

import os

import numpy
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = 1
SESSION = onnxruntime.InferenceSession(os.environ["MODEL_FILE"], OPTIONS,
                                       providers=["CPUExecutionProvider"])
NAMES = [output.name for output in SESSION.get_outputs()]

app = FastAPI()


@app.post("/v2/models/vad/infer")
async def infer(request: Request):
    tensor = orjson.loads(await request.body())["inputs"][0]
    values = numpy.array(tensor["data"], dtype=numpy.float32).reshape(tensor["shape"])
    outputs = [{"name": name, "datatype": "FP32", "shape": result.shape, "data": result.ravel()}
               for name, result in zip(NAMES, SESSION.run(None, {"input": values}))]
    return Response(orjson.dumps({"model_name": "vad", "outputs": outputs},
                                 option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
