"""Asks a server through the unmodified tritonclient and compares with onnxruntime. Prints {"worst": difference}.

python triton_peer.py HOST:PORT MODEL MNIST.onnx IMAGE...   (CVOPS_TEST_KEY holds the key)
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import tritonclient.grpc as triton
from PIL import Image


def main(address: str, model: str, onnx: str, images: list[str]) -> None:
    client = triton.InferenceServerClient(address)
    headers = {"authorization": f"Bearer {os.environ['CVOPS_TEST_KEY']}"}
    assert client.is_server_live(headers=headers)
    assert client.is_server_ready(headers=headers)
    assert client.is_model_ready(model, headers=headers)
    assert client.get_server_metadata(headers=headers).name
    metadata = client.get_model_metadata(model, headers=headers)
    assert {output.name for output in metadata.outputs} >= {"probabilities"}
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    worst = 0.0
    for path in images:
        given = triton.InferInput("image", [1], "BYTES")
        given.set_data_from_numpy(np.array([Path(path).read_bytes()], dtype=object))
        answer = client.infer(model, [given], headers=headers).as_numpy("probabilities").reshape(-1)
        grey = np.asarray(Image.open(path).convert("L"), np.float32)[None, None]
        logits = session.run(None, {session.get_inputs()[0].name: grey})[0].reshape(-1).astype(np.float64)
        expected = np.exp(logits - logits.max())
        worst = max(worst, float(np.abs(answer - expected / expected.sum()).max()))
    print(json.dumps({"worst": worst}))


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
