// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>

namespace rdi::train {

/// What gnuplot writes to its standard output when it is given this script; the user's own gnuplot settings
/// are not read. Throws rdi::Error when gnuplot is not installed or complains.
std::string runGnuplot(const std::string& script);

/// 'text' for a script: quoted, on one line, nothing in it is interpreted.
std::string gnuplotString(const std::string& text);

}  // namespace rdi::train
