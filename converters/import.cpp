// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "converters/import.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <set>

#include "graph/attributes.hpp"
#include "graph/error.hpp"
#include "graph/zoo/zoo.hpp"

namespace rdi::convert {
namespace {

constexpr char kRegex[] = "re:";
constexpr size_t kMostListed = 1000;  // of names that only the file knows

bool startsWith(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

bool endsWith(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

/// The beginning of a name, or "re:" and a regular expression that finds something in it.
class Pattern {
public:
  Pattern(const std::string& from, const std::string& option) : prefix_(from) {
    if (!startsWith(from, kRegex)) return;
    try {
      regex_.emplace(from.substr(sizeof kRegex - 1));
    } catch (const std::regex_error& error) {
      throw Error(text(option, ": '", from, "' is no regular expression: ", error.what()));
    }
  }

  bool matches(const std::string& name) const {
    return regex_ ? std::regex_search(name, *regex_) : startsWith(name, prefix_);
  }

  /// `name`, which matches, with what matched replaced.
  std::string replace(const std::string& name, const std::string& to) const {
    return regex_ ? std::regex_replace(name, *regex_, to) : to + name.substr(prefix_.size());
  }

private:
  std::string prefix_;
  std::optional<std::regex> regex_;
};

struct Rule {
  std::string given;
  Pattern from;
  std::string to;
  bool used = false;
};

Rule parseRule(const std::string& given) {
  const size_t split = given.rfind('=');
  if (split == std::string::npos || split == 0) throw Error(text("--map is '", given, "', expected FROM=TO"));
  return {given, Pattern(given.substr(0, split), "--map"), given.substr(split + 1)};
}

/// What wrappers of a network put before its names.
std::string withoutWrappers(std::string name) {
  for (const std::string prefix : {"module.", "_orig_mod."})
    if (startsWith(name, prefix)) return withoutWrappers(name.substr(prefix.size()));
  return name;
}

struct Source {
  std::string name;  // in the file
  const Tensor* tensor;
};

/// The file's tensors under the names they have after the rules.
std::map<std::string, Source> rename(const Weights& weights, const std::vector<std::string>& map) {
  std::vector<Rule> rules;
  for (const auto& given : map) rules.push_back(parseRule(given));
  std::map<std::string, Source> renamed;
  for (const auto& [name, tensor] : weights.tensors) {
    std::string target = withoutWrappers(name);
    for (auto& rule : rules) {
      if (!rule.from.matches(target)) continue;
      target = rule.from.replace(target, rule.to);
      rule.used = true;
    }
    const auto [place, added] = renamed.insert({target, {name, &tensor}});
    if (!added)
      throw Error(text("tensors '", place->second.name, "' and '", name, "' both become '", target, "'"));
  }
  for (const auto& rule : rules)
    if (!rule.used)
      throw Error(text("--map ", rule.given, " matches no tensor; names are ",
                       withoutWrappers(weights.tensors.begin()->first), ", ..."));
  return renamed;
}

graph::Shape shapeOf(const onnx::TensorProto& tensor) { return {tensor.dims().begin(), tensor.dims().end()}; }

/// "3 missing (a, b, c)"
std::string listed(const std::vector<std::string>& names, const std::string& what) {
  std::string list;
  for (size_t i = 0; i < names.size() && i < kMostListed; ++i) list += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMostListed) list += text(" and ", names.size() - kMostListed, " more");
  return text(names.size(), " ", what, " (", list, ")");
}

/// Tells the tensors that need not be used from those that are left over by mistake.
struct Leftovers {
  std::vector<std::string> ignored, surplus;
};

Leftovers sortLeftovers(const std::map<std::string, Source>& unused, const std::string& architecture,
                        const ImportOptions& options) {
  std::vector<Pattern> patterns;
  for (const auto& given : options.ignore) patterns.emplace_back(given, "--ignore");
  const auto dead = zoo::deadWeights(architecture);
  Leftovers result;
  for (const auto& [name, source] : unused) {
    if (endsWith(name, "num_batches_tracked")) continue;  // a counter of the training
    const bool isDead = std::find(dead.begin(), dead.end(), name) != dead.end();
    const bool asked = std::any_of(patterns.begin(), patterns.end(),
                                   [&name = name](const auto& p) { return p.matches(name); });
    if (isDead)
      result.ignored.push_back(source.name + ", which no layer uses");
    else if (asked)
      result.ignored.push_back(source.name);
    else
      result.surplus.push_back(source.name);
  }
  return result;
}

}  // namespace

Imported importWeights(const Weights& weights, const std::string& architecture,
                       const ImportOptions& options) {
  Imported imported{zoo::build(architecture), {}};
  try {
    auto sources = rename(weights, options.map);
    std::vector<std::string> missing, misshapen;
    for (auto& initializer : *imported.model.mutable_graph()->mutable_initializer()) {
      const auto found = sources.find(initializer.name());
      if (found == sources.end()) {
        missing.push_back(initializer.name());
        continue;
      }
      const auto& [name, tensor] = found->second;
      const auto expected = shapeOf(initializer);
      if (tensor->shape != expected)
        misshapen.push_back(
            text(name, " is ", graph::toString(tensor->shape), ", expected ", graph::toString(expected)));
      else
        initializer = graph::floatTensor(initializer.name(), expected, toFloat(*tensor));
      sources.erase(found);
    }
    auto leftovers = sortLeftovers(sources, architecture, options);
    std::string misfit;
    const auto add = [&](const std::vector<std::string>& names, const char* what) {
      if (!names.empty()) misfit += (misfit.empty() ? "" : "; ") + listed(names, what);
    };
    add(missing, "missing");
    add(misshapen, "of another shape");
    add(leftovers.surplus, "left over");
    if (!misfit.empty()) throw Error(text("does not fit ", architecture, ": ", misfit));
    imported.ignored = std::move(leftovers.ignored);
  } catch (const Error& error) {
    throw Error(text(weights.file, ": ", error.what()));
  }
  return imported;
}

}  // namespace rdi::convert
