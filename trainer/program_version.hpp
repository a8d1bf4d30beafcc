// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <string>

namespace rdi::train {

/// Such as 0.1.0.
std::string programVersion();

/// The git revision that was compiled, with "-dirty" when files differed from it; "unknown" outside git.
std::string programRevision();

}  // namespace rdi::train
