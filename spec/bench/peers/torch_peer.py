"""PyTorch's side: the same steps, on the CPU or on CUDA with TF32 off. torch_peer.py JOB.json [channels_last]

The images are floats on the device before the clock runs, which saves PyTorch the conversion that Millrace's step does.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

job = json.load(open(sys.argv[1]))
channels_last = "channels_last" in sys.argv[2:]
layout = torch.channels_last if channels_last else torch.contiguous_format


def say(**message):
    print(json.dumps(message), flush=True)


def serve():
    if job["device"] == "webgpu":
        if not torch.cuda.is_available():
            return say(event="cannot", reason="this PyTorch has no CUDA device")
        device = torch.device("cuda")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        where = torch.cuda.get_device_name(0) + ", TF32 off"
    else:
        device = torch.device("cpu")
        torch.set_num_threads(job["threads"])
        where = f"CPU, {torch.get_num_threads()} threads"

    torch.manual_seed(0)
    parameters = {}
    readers = {}
    for node in job["nodes"]:
        for name in node["inputs"]:
            readers[name] = readers.get(name, 0) + 1
        for entry in node["parameters"]:
            shape, local = entry["shape"], entry["local"]
            if entry["layout"] == "filter":
                r, s, i, o = shape
                value = (torch.randn(o, i, r, s) * (2 / (i * r * s)) ** 0.5).contiguous(memory_format=layout)
            elif entry["layout"] == "matrix":
                value = torch.randn(shape[1], shape[0]) * shape[0] ** -0.5
            else:
                value = torch.full(shape, 1.0 if local in ("running_var",) or (local == "weight") else 0.0)
            value = value.to(device)
            parameters[entry["name"]] = value.requires_grad_(entry["role"] == "parameter")
    names = {(node["name"], p["local"]): p["name"] for node in job["nodes"] for p in node["parameters"]}

    def layer(node, x):
        op, a = node["op"], node["attributes"]
        own = lambda local: parameters.get(names.get((node["name"], local)))
        if op == "conv2d":
            return F.conv2d(x[0], own("weight"), own("bias"), a["stride"], a["padding"], a["dilation"], a["groups"])
        if op == "batchNorm2d":
            return F.batch_norm(x[0], own("running_mean"), own("running_var"), own("weight"), own("bias"), True, a["momentum"], a["eps"])
        if op == "relu":
            return F.relu(x[0], inplace=readers[node["inputs"][0]] == 1)
        if op == "add":
            return x[0] + x[1]
        if op == "maxPool2d":
            return F.max_pool2d(x[0], a["kernel"], a.get("stride"), a["padding"], ceil_mode=a["ceilMode"])
        if op == "avgPool2d":
            return F.avg_pool2d(x[0], a["kernel"], a.get("stride"), a["padding"], a["ceilMode"], a["countIncludePad"])
        if op == "adaptiveAvgPool2d":
            return F.adaptive_avg_pool2d(x[0], a["output"])
        if op == "padChannels":
            y = x[0][:, :, :: a["stride"], :: a["stride"]]
            return F.pad(y, (0, 0, 0, 0, 0, a["channels"] - y.shape[1]))
        if op == "flatten":
            return torch.flatten(x[0], 1)
        if op == "linear":
            return F.linear(x[0], own("weight"), own("bias"))
        if op == "dropout":
            return F.dropout(x[0], a["probability"], True)
        if op == "localResponseNorm":
            return F.local_response_norm(x[0], a["size"], a["alpha"], a["beta"], a["k"])
        if op == "concat":
            return torch.cat(x, 1)
        raise NotImplementedError(op)

    n, h, w, c = job["input"]
    images = torch.randn(n, c, h, w).contiguous(memory_format=layout).to(device)
    labels = (torch.arange(n) % job["classes"]).to(device)
    trained = [p for p in parameters.values() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=job["lr"], momentum=job["momentum"], weight_decay=job["weightDecay"])

    def step():
        values = {"input": images}
        for node in job["nodes"]:
            values[node["name"]] = layer(node, [values[name] for name in node["inputs"]])
        loss = F.cross_entropy(values[job["output"]], labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    say(event="ready", about=f"PyTorch {torch.__version__}, {where}{', channels last' if channels_last else ''}")
    for line in sys.stdin:
        steps = json.loads(line)["steps"]
        began = time.perf_counter()
        for _ in range(steps):
            loss = step()
        value = loss.item()  # waits for the device
        say(event="ran", ms=(time.perf_counter() - began) * 1000 / steps, loss=value)


try:
    serve()
except Exception as error:  # told in the table
    say(event="cannot", reason=f"{type(error).__name__}: {error}")
