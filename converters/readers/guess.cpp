// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include <algorithm>
#include <array>

#include "converters/readers/readers.hpp"
#include "graph/error.hpp"

namespace rdi::convert::readers {
namespace {

struct Beginning {
  std::string_view bytes, meaning;
};

constexpr std::array<Beginning, 13> kBeginnings{{
    {"version https://git-lfs", "is a pointer of git-lfs, not the file itself; fetch it with 'git lfs pull'"},
    {"<", "is a web page or XML; the download did not give the file but a page about it"},
    {"{", "is JSON text; an index of weights? Give the file that holds them"},
    {"\x89HDF", "is an HDF5 file, as Keras writes it; export the network as ONNX"},
    {"\x93NUMPY", "is a NumPy array; save the weights by name, as safetensors for example"},
    {"GGUF", "is a GGUF file; convert it to safetensors"},
    {"\x1f\x8b", "is packed with gzip; unpack it first"},
    {"BZh", "is packed with bzip2; unpack it first"},
    {"\xfd"
     "7zXZ",
     "is packed with xz; unpack it first"},
    {"\x28\xb5\x2f\xfd", "is packed with zstd; unpack it first"},
    {"7z\xbc\xaf", "is a 7z archive; unpack it first"},
    {"Rar!", "is a RAR archive; unpack it first"},
    {"\x7f"
     "ELF",
     "is a program or library"},
}};
constexpr size_t kTarMark = 257;
constexpr size_t kShown = 8;  // bytes of an unknown file

}  // namespace

std::string guess(std::string_view bytes) {
  if (bytes.empty()) return "is empty; the download or copy failed";
  const size_t text = std::min(bytes.find_first_not_of(" \t\r\n\v\f"), bytes.size());
  for (const auto& known : kBeginnings)
    if (bytes.substr(text, known.bytes.size()) == known.bytes ||
        bytes.substr(0, known.bytes.size()) == known.bytes)
      return std::string(known.meaning);
  if (bytes.size() > 8 && bytes.substr(4, 4) == "TFL3")
    return "is a TensorFlow Lite model; export the network as ONNX";
  if (bytes.size() > kTarMark && bytes.substr(kTarMark, 5) == "ustar")
    return "is a tar archive; unpack it first, or, if PyTorch before 0.2 wrote it, load and save it with a "
           "newer one";
  if (bytes.find_first_not_of('\0') == std::string_view::npos)
    return rdi::text("holds ", bytes.size(), " zero bytes; the download or copy was interrupted");
  constexpr char kDigits[] = "0123456789abcdef";
  std::string shown;
  for (const char byte : bytes.substr(0, kShown)) {
    shown += ' ';
    shown += kDigits[static_cast<unsigned char>(byte) >> 4];
    shown += kDigits[byte & 15];
  }
  return rdi::text(
      "is no PyTorch, safetensors or ONNX file, or its beginning is damaged: it begins with the bytes",
      shown);
}

}  // namespace rdi::convert::readers
