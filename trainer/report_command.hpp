// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "trainer/html_report.hpp"

namespace rdi::train {

/// rdi-evaluate report FILE.json: the table and the page of results that were measured before.
struct ReportArguments {
  std::string file, output, baseline;
};
void declareReport(CLI::App& app, ReportArguments& arguments);
int report(const ReportArguments& arguments);

/// Writes the page; says on stderr why plots are missing, if they are.
void writePage(const HtmlReport& page, const std::string& path);

}  // namespace rdi::train
