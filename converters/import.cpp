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
  const std::string wrappers[] = {"module.", "_orig_mod."};
  for (bool found = true; found;) {
    found = false;
    for (const auto& wrapper : wrappers) {
      if (!startsWith(name, wrapper)) continue;
      name.erase(0, wrapper.size());
      found = true;
    }
  }
  return name;
}

/// Renames what a file holds as the options say.
class Renamer {
public:
  explicit Renamer(const std::vector<std::string>& map) {
    for (const auto& given : map) rules_.push_back(parseRule(given));
  }

  std::string operator()(const std::string& name) {
    std::string target = withoutWrappers(name);
    for (auto& rule : rules_) {
      if (!rule.from.matches(target)) continue;
      target = rule.from.replace(target, rule.to);
      rule.used = true;
    }
    return target;
  }

  /// Throws rdi::Error for a rule that never matched: a slip of the pen, most likely.
  void checkAllUsed(const std::string& example) const {
    for (const auto& rule : rules_)
      if (!rule.used)
        throw Error(text("--map ", rule.given, " matches no tensor; names are like '", example, "'"));
  }

private:
  std::vector<Rule> rules_;
};

struct Source {
  std::string name;  // in the file
  const Tensor* tensor;
};
using Sources = std::map<std::string, Source>;  // by the name after renaming

Sources renamed(const Weights& weights, Renamer& rename) {
  Sources sources;
  for (const auto& [name, tensor] : weights.tensors) {
    const auto target = rename(name);
    const auto [place, added] = sources.insert({target, {name, &tensor}});
    if (!added)
      throw Error(text("tensors '", place->second.name, "' and '", name, "' both become '", target, "'"));
  }
  return sources;
}

/// What does not fit, by name.
struct Misfits {
  std::vector<std::string> missing, misshapen, leftOver;
  size_t fitting = 0;
  std::set<int64_t> rowsFound, rowsExpected;  // first dimensions of the misshapen
};

graph::Shape shapeOf(const onnx::TensorProto& tensor) { return {tensor.dims().begin(), tensor.dims().end()}; }

/// Fills the model and takes what it uses out of `sources`.
Misfits fill(onnx::GraphProto& graph, Sources& sources) {
  Misfits misfits;
  for (auto& initializer : *graph.mutable_initializer()) {
    const auto found = sources.find(initializer.name());
    if (found == sources.end()) {
      misfits.missing.push_back(initializer.name());
      continue;
    }
    const auto& [name, tensor] = found->second;
    const auto expected = shapeOf(initializer);
    if (tensor->shape == expected) {
      try {
        initializer = graph::floatTensor(initializer.name(), expected, toFloat(*tensor));
      } catch (const Error& error) {
        throw Error(text("tensor '", name, "' ", error.what()));
      }
      ++misfits.fitting;
    } else {
      misfits.misshapen.push_back(
          text(name, " is ", graph::toString(tensor->shape), ", expected ", graph::toString(expected)));
      misfits.rowsFound.insert(tensor->shape.empty() ? 0 : tensor->shape[0]);
      misfits.rowsExpected.insert(expected.empty() ? 0 : expected[0]);
    }
    sources.erase(found);
  }
  return misfits;
}

/// Patterns of an option that allows something.
class Allowed {
public:
  Allowed(const std::vector<std::string>& given, const std::string& option) {
    for (const auto& pattern : given) patterns_.emplace_back(pattern, option);
  }

  bool operator()(const std::string& name) const {
    return std::any_of(patterns_.begin(), patterns_.end(), [&](const auto& p) { return p.matches(name); });
  }

private:
  std::vector<Pattern> patterns_;
};

/// Takes out of `missing`, and returns, what may be missing.
std::vector<std::string> takeFresh(std::vector<std::string>& missing, const Allowed& allowed) {
  const auto first =
      std::stable_partition(missing.begin(), missing.end(), [&](const auto& name) { return !allowed(name); });
  std::vector<std::string> fresh(first, missing.end());
  missing.erase(first, missing.end());
  return fresh;
}

/// Sorts what the network did not use into what may be left over and what may not.
std::vector<std::string> ignore(const Sources& unused, const std::string& architecture,
                                const Allowed& allowed, std::vector<std::string>& leftOver) {
  const auto dead = zoo::deadWeights(architecture);
  std::vector<std::string> ignored;
  for (const auto& [target, source] : unused) {
    const auto& name = target;
    if (endsWith(name, "num_batches_tracked")) continue;  // a counter of the training
    if (std::find(dead.begin(), dead.end(), name) != dead.end())
      ignored.push_back(source.name + ", which no layer uses");
    else if (allowed(name))
      ignored.push_back(source.name);
    else
      leftOver.push_back(source.name);
  }
  return ignored;
}

/// What stands before every missing name in the file, or nothing.
std::string commonPrefix(const Misfits& misfits) {
  if (misfits.missing.empty()) return {};
  std::set<std::string> names;
  for (const auto& name : misfits.leftOver) names.insert(withoutWrappers(name));
  for (const auto& name : names) {
    if (!endsWith(name, misfits.missing[0])) continue;
    const std::string prefix = name.substr(0, name.size() - misfits.missing[0].size());
    if (std::all_of(misfits.missing.begin(), misfits.missing.end(),
                    [&](const auto& missing) { return names.count(prefix + missing) > 0; }))
      return prefix;
  }
  return {};
}

std::string likelyCause(const Misfits& misfits) {
  if (const auto prefix = commonPrefix(misfits); !prefix.empty())
    return text("names begin with '", prefix, "' there, try --map ", prefix, "=");
  if (misfits.fitting < misfits.missing.size())
    return "is it another network, or are its tensors to be renamed with --map?";
  if (misfits.missing.empty() && misfits.leftOver.empty() && misfits.rowsFound.size() == 1 &&
      misfits.rowsExpected.size() == 1)
    return text("was it trained for ", *misfits.rowsFound.begin(), " classes?");
  if (misfits.missing.empty() && misfits.misshapen.empty())
    return "if it may do without these, say so with --ignore";
  return "is it another variant of the network?";
}

/// "; missing: a, b, c"
std::string listed(const char* what, const std::vector<std::string>& names) {
  std::string list;
  for (size_t i = 0; i < names.size() && i < kMostListed; ++i) list += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMostListed) list += text(" and ", names.size() - kMostListed, " more");
  return names.empty() ? "" : text("; ", what, ": ", list);
}

void checkFits(const Misfits& misfits, const std::string& architecture) {
  if (misfits.missing.empty() && misfits.misshapen.empty() && misfits.leftOver.empty()) return;
  throw Error(text("does not fit ", architecture, ": ", misfits.fitting, " tensors fit, ",
                   misfits.missing.size(), " are missing, ", misfits.misshapen.size(),
                   " have another shape, ", misfits.leftOver.size(), " are left over; ", likelyCause(misfits),
                   listed("missing", misfits.missing), listed("of another shape", misfits.misshapen),
                   listed("left over", misfits.leftOver)));
}

}  // namespace

Imported importWeights(const Weights& weights, const std::string& architecture,
                       const ImportOptions& options) {
  Imported imported{zoo::build(architecture), {}, {}};
  try {
    Renamer rename(options.map);
    auto sources = renamed(weights, rename);
    std::map<std::string, std::string> others;
    for (const auto& [name, what] : weights.others) others[rename(name)] = what;
    rename.checkAllUsed(withoutWrappers(weights.tensors.begin()->first));
    auto misfits = fill(*imported.model.mutable_graph(), sources);
    imported.fresh = takeFresh(misfits.missing, {options.fresh, "--fresh"});
    for (auto& name : misfits.missing)
      if (const auto other = others.find(name); other != others.end())
        name += text(" (", other->second, " there, expected a tensor of numbers)");
    imported.ignored = ignore(sources, architecture, {options.ignore, "--ignore"}, misfits.leftOver);
    checkFits(misfits, architecture);
  } catch (const Error& error) {
    throw Error(text(weights.file, ": ", error.what()));
  }
  return imported;
}

}  // namespace rdi::convert
