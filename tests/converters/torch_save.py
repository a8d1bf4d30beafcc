# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""What torch.save has Python's pickler and zip writer write, without torch."""

import collections
import io
import json
import pickle
import struct
import sys
import types
import zipfile

MAGIC = 0x1950A86A20F9469CFC6C


class FloatStorage:
    def __init__(self, key, data):
        self.key, self.data = key, data


class Tensor:
    """A window of a storage; pickles as torch's tensors do."""

    def __init__(self, storage, shape):
        self.storage, self.shape = storage, shape

    def __reduce_ex__(self, protocol):
        strides = [1] * len(self.shape)
        for i in range(len(strides) - 1, 0, -1):
            strides[i - 1] = strides[i] * self.shape[i]
        return _rebuild_tensor_v2, (self.storage, 0, self.shape, tuple(strides), False, collections.OrderedDict())


class Parameter:
    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce_ex__(self, protocol):
        return _rebuild_parameter, (self.tensor, True, collections.OrderedDict())


def _rebuild_tensor_v2():
    raise AssertionError("reading a pickle must call nothing")


def _rebuild_parameter():
    raise AssertionError("reading a pickle must call nothing")


def install(module, *members):
    sys.modules[module] = sys.modules.get(module) or types.ModuleType(module)
    for member in members:
        member.__module__, member.__qualname__ = module, member.__name__
        setattr(sys.modules[module], member.__name__, member)


install("torch", FloatStorage)
install("torch._utils", _rebuild_tensor_v2, _rebuild_parameter)


class StoragePickler(pickle.Pickler):
    def __init__(self, stream, protocol, legacy):
        super().__init__(stream, protocol=protocol)
        self.legacy = legacy

    def persistent_id(self, value):
        if not isinstance(value, FloatStorage):
            return None
        description = ("storage", FloatStorage, value.key, "cpu", len(value.data) // 4)
        return description + (None,) if self.legacy else description


def save_zip(value, storages, protocol=2, compression=zipfile.ZIP_STORED, zip64=False):
    stream, data = io.BytesIO(), io.BytesIO()
    StoragePickler(data, protocol, legacy=False).dump(value)
    records = {"data.pkl": data.getvalue(), "byteorder": b"little", "version": b"3\n", ".data/serialization_id": b"0" * 40}
    records.update({f"data/{storage.key}": storage.data for storage in storages})
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, contents in records.items():
            with archive.open(f"net/{name}", "w", force_zip64=zip64) as record:
                record.write(contents)
    return stream.getvalue()


def save_legacy(value, storages, protocol=2):
    stream = io.BytesIO()
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    for number in (MAGIC, 1001, system):
        pickle.dump(number, stream, protocol=protocol)
    StoragePickler(stream, protocol, legacy=True).dump(value)
    pickle.dump([storage.key for storage in storages], stream, protocol=protocol)
    for storage in storages:
        stream.write(struct.pack("<q", len(storage.data) // 4) + storage.data)
    return stream.getvalue()


def save_safetensors(state):
    header, data = {}, b""
    for name, tensor in state.items():
        end = len(data) + len(tensor.storage.data)
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [len(data), end]}
        data += tensor.storage.data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data
