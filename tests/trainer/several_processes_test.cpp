// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// Several rdi-train that train one model, as a user starts them.

#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "tests/trainer/tiny_programs.hpp"

namespace rdi::train {
namespace {

using test::Process;
using test::Result;

// One nobody listens on right now.
std::string freePort() {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICHOST;
  if (getaddrinfo("127.0.0.1", "0", &wanted, &found) != 0) throw std::runtime_error("no loopback");
  const int file = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  bind(file, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  char port[NI_MAXSERV];
  getsockname(file, reinterpret_cast<sockaddr*>(&own), &length);
  getnameinfo(reinterpret_cast<const sockaddr*>(&own), length, nullptr, 0, port, sizeof port, NI_NUMERICSERV);
  close(file);
  return port;
}

Process::Environment place(int rank, int size, const std::string& port,
                           const std::string& address = "127.0.0.1") {
  return {{"RANK", std::to_string(rank)},
          {"WORLD_SIZE", std::to_string(size)},
          {"MASTER_ADDR", address},
          {"MASTER_PORT", port}};
}

std::vector<double> losses(const std::string& run) {
  std::vector<double> result;
  std::istringstream lines(graph::readFile(run + "/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json json = nlohmann::json::parse(line);
    if (json.contains("loss")) result.push_back(json["loss"]);
  }
  return result;
}

class SeveralProcesses : public test::TinyPrograms {
protected:
  // All ranks with this command; results in their order.
  std::vector<Result> together(const std::vector<std::string>& command, int size) {
    const std::string port = freePort();
    std::vector<std::unique_ptr<Process>> processes;
    for (int rank = 0; rank < size; ++rank)
      processes.push_back(std::make_unique<Process>(folder_, command, place(rank, size, port)));
    std::vector<Result> results;
    for (const auto& process : processes) results.push_back(process->wait());
    return results;
  }
};

TEST_F(SeveralProcesses, TrainTheModelThatOneProcessTrains) {
  // Batch statistics, dropout and random starts take part in the attacks too.
  for (const std::vector<std::string>& recipe :
       {std::vector<std::string>{"--defence", "own", "--attack-mode", "train"},
        {"--defence", "max-average", "--shift", "1", "--flip"},
        {"--defence", "routed", "--loss", "trades", "--weight-perturbation", "0.005"},
        {"--defence", "standard"}}) {
    SCOPED_TRACE(recipe[1]);
    const std::string one = folder_.path("one-" + recipe[1]);
    ASSERT_EQ(run(training(one, 40, recipe)).exitCode, 0);
    const std::vector<double> expected = losses(one);
    for (const int size : {2, 4}) {
      const std::string several = folder_.path(std::to_string(size) + "-" + recipe[1]);
      for (const Result& result : together(training(several, 40, recipe), size))
        ASSERT_EQ(result.exitCode, 0) << result.err;
      const std::vector<double> found = losses(several);
      ASSERT_EQ(found.size(), expected.size());
      // Sums in another order differ in the last digits; later on a sign that flips there moves a pixel.
      for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(found[i], expected[i], 1e-5) << "iteration " << i + 1;
      for (size_t i = 5; i < found.size(); ++i)
        EXPECT_NEAR(found[i], expected[i], 0.005 * expected[i]) << "iteration " << i + 1;
    }
  }
}

TEST_F(SeveralProcesses, WhatOneBeganTwoResumeAndTheOtherWayRound) {
  const std::string folder = folder_.path("run"), whole = folder_.path("whole");
  ASSERT_EQ(run(training(whole, 60)).exitCode, 0);
  const Process first(folder_, training(folder, 60, {"--log-every", "1"}));
  waitForLines(folder, 6);
  first.send(SIGKILL);
  first.wait();
  for (const Result& result : together({RDI_TRAIN, "--resume", folder, "--threads", "1"}, 2))
    ASSERT_EQ(result.exitCode, 0) << result.err;
  EXPECT_NEAR(losses(folder).back(), losses(whole).back(), 5e-2);
}

TEST_F(SeveralProcesses, ASignalToAnyStopsAllAndSaves) {
  for (const int signalled : {0, 1}) {
    const std::string folder = folder_.path("run" + std::to_string(signalled)), port = freePort();
    const auto command = training(folder, 100000);
    const Process first(folder_, command, place(0, 2, port)), second(folder_, command, place(1, 2, port));
    waitForLines(folder, 7);
    (signalled == 0 ? first : second).send(SIGTERM);
    const Result one = first.wait(), two = second.wait();
    EXPECT_EQ(one.exitCode, 130) << one.err;
    EXPECT_EQ(two.exitCode, 130) << two.err;
    EXPECT_NE(one.err.find("rdi-train --resume " + folder), std::string::npos) << one.err;
  }
}

TEST_F(SeveralProcesses, ALostOneEndsTheOthersWithAMessageAndAUsableCheckpoint) {
  for (const int lost : {0, 1}) {
    const std::string folder = folder_.path("run" + std::to_string(lost)), port = freePort();
    const auto command = training(folder, 100000);
    const Process first(folder_, command, place(0, 2, port)), second(folder_, command, place(1, 2, port));
    waitForLines(folder, 12);
    (lost == 0 ? first : second).send(SIGKILL);
    const Process& left = lost == 0 ? second : first;
    const auto start = std::chrono::steady_clock::now();
    const Result result = left.wait();
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
    (lost == 0 ? first : second).wait();
    EXPECT_EQ(result.exitCode, 1);
    EXPECT_NE(result.err.find("lost contact"), std::string::npos) << result.err;
    if (lost == 1) EXPECT_NE(result.err.find("--resume " + folder), std::string::npos) << result.err;
    // One goes on alone.
    const Process alone(folder_, {RDI_TRAIN, "--resume", folder});
    waitForLines(folder, 30);
    alone.send(SIGINT);
    EXPECT_EQ(alone.wait().exitCode, 130);
  }
}

// Two machines as network namespaces, and the cable between them.
class TwoMachines {
public:
  TwoMachines() : name_("rdi" + std::to_string(getpid())) {
    works_ = shell("ip netns add " + a()) && shell("ip netns add " + b()) &&
             shell("ip link add " + name_ + "a type veth peer name " + name_ + "b") &&
             attach("a", a(), "10.99.0.1") && attach("b", b(), "10.99.0.2");
  }
  ~TwoMachines() {
    shell("ip netns del " + a());
    shell("ip netns del " + b());
  }
  TwoMachines(const TwoMachines&) = delete;
  TwoMachines& operator=(const TwoMachines&) = delete;

  bool works() const { return works_; }
  std::string a() const { return name_ + "-a"; }
  std::string b() const { return name_ + "-b"; }
  // Nobody is told: packets just do not arrive any more.
  bool cut() const {
    return shell("ip netns exec " + b() + " tc qdisc add dev " + name_ + "b root netem loss 100%") ||
           shell("ip -n " + b() + " link set " + name_ + "b down");
  }

private:
  static bool shell(const std::string& command) {
    return std::system((command + " 2>/dev/null").c_str()) == 0;
  }
  bool attach(const std::string& end, const std::string& machine, const std::string& address) const {
    const std::string link = name_ + end;
    return shell("ip link set " + link + " netns " + machine) &&
           shell("ip -n " + machine + " addr add " + address + "/24 dev " + link) &&
           shell("ip -n " + machine + " link set " + link + " up") &&
           shell("ip -n " + machine + " link set lo up");
  }

  std::string name_;
  bool works_ = false;
};

TEST_F(SeveralProcesses, ACutLinkEndsBothWithinTheirPatience) {
  const TwoMachines machines;
  if (!machines.works()) GTEST_SKIP() << "network namespaces need the rights of root and the program ip";
  const std::string folder = folder_.path("run");
  const auto on = [&](const std::string& machine, const std::vector<std::string>& command) {
    std::vector<std::string> words = {"ip", "netns", "exec", machine};
    words.insert(words.end(), command.begin(), command.end());
    return words;
  };
  const auto command = training(folder, 100000, {"--worker-timeout", "6"});
  const Process first(folder_, on(machines.a(), command), place(0, 2, "29500", "10.99.0.1"));
  const Process second(folder_, on(machines.b(), command), place(1, 2, "29500", "10.99.0.1"));
  waitForLines(folder, 12);
  ASSERT_TRUE(machines.cut());
  const auto start = std::chrono::steady_clock::now();
  for (const Process* process : {&first, &second}) {
    const Result result = process->wait();
    EXPECT_EQ(result.exitCode, 1);
    EXPECT_NE(result.err.find("lost contact"), std::string::npos) << result.err;
    EXPECT_NE(result.err.find("6 seconds"), std::string::npos) << result.err;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  const Process alone(folder_, {RDI_TRAIN, "--resume", folder});
  waitForLines(folder, 30);
  alone.send(SIGINT);
  EXPECT_EQ(alone.wait().exitCode, 130);
}

TEST_F(SeveralProcesses, WhatDoesNotFitIsSaidByAll) {
  const auto expectAll = [&](const std::vector<Result>& results, const std::string& part) {
    for (const Result& result : results) {
      EXPECT_EQ(result.exitCode, 1);
      EXPECT_NE(result.err.find(part), std::string::npos) << result.err << "\nlacks: " << part;
    }
  };
  // Only the first reads the recipe; the others hear that it ended.
  const std::vector<Result> uneven = together(training(folder_.path("run"), 5, {"--batch-size", "15"}), 2);
  expectAll({uneven[0]}, "expected a multiple of 2");
  expectAll({uneven[1]}, "lost contact");

  // Data that is another at one of them.
  test::writeTinyData(folder_.path("other/mnist"), 410, 100);
  const std::string port = freePort(), folder = folder_.path("other-data");
  const Process first(folder_, training(folder, 5), place(0, 2, port));
  const Process second(folder_, training(folder, 5, {"--data", "mnist:" + folder_.path("other/mnist")}),
                       place(1, 2, port));
  expectAll({first.wait(), second.wait()}, "checksum");
}

TEST_F(SeveralProcesses, WrongVariablesAreNamed) {
  const auto expect = [&](const Process::Environment& environment, const std::string& part) {
    const Result result = run(training(folder_.path("run"), 5), environment);
    EXPECT_EQ(result.exitCode, 1);
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err << "\nlacks: " << part;
  };
  expect({{"WORLD_SIZE", "2"}}, "RANK is not set");
  expect({{"WORLD_SIZE", "two"}}, "WORLD_SIZE: found \"two\"");
  expect({{"WORLD_SIZE", "2"}, {"RANK", "2"}}, "RANK: found \"2\", expected 0 to 1");
  expect({{"WORLD_SIZE", "2"}, {"RANK", "0"}, {"MASTER_PORT", "99999"}}, "MASTER_PORT: found \"99999\"");
  expect({{"WORLD_SIZE", "2"}, {"RANK", "0"}, {"MASTER_PORT", "29500"}}, "MASTER_ADDR is not set");
}

}  // namespace
}  // namespace rdi::train
