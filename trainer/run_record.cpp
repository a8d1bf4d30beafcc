// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/run_record.hpp"

#include <ctime>

#include "graph/error.hpp"
#include "graph/model_io.hpp"

namespace rdi::train {
namespace {

// Keys in the order in which people want to read them.
using Record = nlohmann::ordered_json;

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char written[32];
  std::strftime(written, sizeof written, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return written;
}

void write(const RunFolder& folder, const Record& record) {
  graph::writeFileAtomically(folder.record(), record.dump(2) + '\n');
}

// A record that is damaged or not there is begun anew: a training never fails for what only people read.
Record read(const RunFolder& folder) {
  Record record;
  if (std::filesystem::exists(folder.record()))
    record = Record::parse(graph::readFile(folder.record()), nullptr, /*allow_exceptions=*/false);
  return record.is_object() ? record : Record::object();
}

}  // namespace

void writeRunRecord(const RunFolder& folder, const RunOrigin& origin, const nlohmann::json& facts) {
  Record record = {{"program", "rdi-train"},
                   {"version", origin.version},
                   {"revision", origin.revision},
                   {"command", origin.command},
                   {"resume", "rdi-train --resume " + folder.path()}};
  for (const auto& [key, value] : facts.items()) record[key] = value;
  record["starts"] = Record::array();
  write(folder, record);
  if (!origin.recipe.empty()) graph::writeFileAtomically(folder.recipe(), origin.recipe);
}

void recordStart(const RunFolder& folder, const RunOrigin& origin, int64_t iteration,
                 const nlohmann::json& machine) {
  Record record = read(folder);
  Record start = {
      {"time", now()}, {"iteration", iteration}, {"revision", origin.revision}, {"command", origin.command}};
  for (const auto& [key, value] : machine.items()) start[key] = value;
  record["starts"].push_back(start);
  record.erase("end");
  write(folder, record);
}

void recordEnd(const RunFolder& folder, const nlohmann::json& result) {
  Record record = read(folder);
  record["end"] = {{"time", now()}};
  for (const auto& [key, value] : result.items()) record["end"][key] = value;
  write(folder, record);
}

}  // namespace rdi::train
