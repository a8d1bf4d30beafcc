// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

namespace rdi {

/// Makes OpenCV know RdiStage, RdiBranchClassifier, RdiEarlyExit and RdiSelect. The first call does it, from
/// whatever thread; others return when it is done.
void registerLayerTypes();

}  // namespace rdi
