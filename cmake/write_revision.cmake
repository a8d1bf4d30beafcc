# SPDX-License-Identifier: Apache-2.0
# Writes OUTPUT, the body of trainer/program_version.hpp, with VERSION and the git revision of SOURCE; "unknown" outside git.
# Untouched when nothing changed, so that nothing is compiled again.
set(revision unknown)
find_program(git_program git)
if(git_program)
  # A tarball inside somebody else's repository is not that repository's revision.
  execute_process(COMMAND "${git_program}" -C "${SOURCE}" rev-parse --show-toplevel
                  OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  get_filename_component(top "${top}" REALPATH)
  get_filename_component(source "${SOURCE}" REALPATH)
  if(NOT failed AND top STREQUAL source)
    execute_process(COMMAND "${git_program}" -C "${SOURCE}" describe --always --dirty --abbrev=12 --exclude=*
                    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed AND found)
      set(revision "${found}")
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT [[
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#include "trainer/program_version.hpp"

namespace rdi::train {

std::string programVersion() { return "@VERSION@"; }
std::string programRevision() { return "@revision@"; }

}  // namespace rdi::train
]])
