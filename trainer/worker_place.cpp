// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/worker_place.hpp"

#include <charconv>
#include <cstring>

#include "graph/error.hpp"

namespace rdi::train {

WorkerPlace workerPlace(const std::function<const char*(const char*)>& variable) {
  const auto read = [&](const char* name, int least, int most) {
    const char* const value = variable(name);
    if (value == nullptr || *value == '\0')
      throw Error(text("WORLD_SIZE says that several processes train together, but ", name,
                       " is not set; each needs RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT"));
    int number = 0;
    const char* const end = value + std::strlen(value);
    const auto [stop, problem] = std::from_chars(value, end, number);
    if (problem != std::errc() || stop != end || number < least || number > most)
      throw Error(text(name, ": found \"", value, "\", expected ", least, " to ", most));
    return number;
  };
  WorkerPlace place;
  const char* const size = variable("WORLD_SIZE");
  if (size == nullptr || *size == '\0') return place;
  place.size = read("WORLD_SIZE", 1, 4096);
  if (place.size == 1) return place;
  place.rank = read("RANK", 0, place.size - 1);
  place.port = static_cast<uint16_t>(read("MASTER_PORT", 1, 65535));
  const char* const address = variable("MASTER_ADDR");
  if (address == nullptr || *address == '\0') read("MASTER_ADDR", 0, 0);  // throws
  place.address = address;
  return place;
}

}  // namespace rdi::train
