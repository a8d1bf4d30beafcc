// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors

// The one place that knows libtorch's c10d, 1.13 and 2.x. Debian builds libtorch with Gloo, but its headers
// show that only to those who say so.
#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#include <vector>

#include "graph/error.hpp"
#include "trainer/worker_group.hpp"

namespace rdi::train {
namespace {

// People start processes by hand, and data takes its time to load.
constexpr std::chrono::minutes kMeetingTime{10};

using Bytes = std::vector<uint8_t>;

// c10d's messages go on with a stack.
std::string firstLine(const std::exception& error) {
  const std::string message = error.what();
  return message.substr(0, message.find('\n'));
}

// This machine's address as the machine of rank 0 sees it. A machine's own name often leads to the loopback.
std::string ownAddress(const WorkerPlace& place) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_socktype = SOCK_DGRAM;
  const int problem = getaddrinfo(place.address.c_str(), std::to_string(place.port).c_str(), &wanted, &found);
  if (problem != 0)
    throw Error(
        text("MASTER_ADDR: found \"", place.address, "\", which is no address: ", gai_strerror(problem)));
  std::string address;
  for (const addrinfo* entry = found; entry != nullptr && address.empty(); entry = entry->ai_next) {
    const int file = ::socket(entry->ai_family, entry->ai_socktype, entry->ai_protocol);
    if (file < 0) continue;
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    char written[NI_MAXHOST];
    // Of a datagram socket, connect() sends nothing: it only looks up the way.
    if (::connect(file, entry->ai_addr, entry->ai_addrlen) == 0 &&
        ::getsockname(file, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
        ::getnameinfo(reinterpret_cast<const sockaddr*>(&own), length, written, sizeof written, nullptr, 0,
                      NI_NUMERICHOST) == 0)
      address = written;
    ::close(file);
  }
  freeaddrinfo(found);
  if (address.empty())
    throw Error(text("MASTER_ADDR: found \"", place.address, "\", to which this machine has no way"));
  return address;
}

class GlooGroup : public WorkerGroup {
public:
  GlooGroup(const WorkerPlace& place, std::chrono::seconds patience)
      : WorkerGroup(place.rank, place.size), patience_(patience) {
    const std::string meetingPlace = text(place.address, ":", place.port, " (MASTER_ADDR, MASTER_PORT)");
    try {
      c10d::TCPStoreOptions storeOptions;
      storeOptions.port = place.port;
      storeOptions.isServer = isFirst();
      storeOptions.numWorkers = static_cast<size_t>(place.size);
      storeOptions.timeout = kMeetingTime;
      store_ = c10::make_intrusive<c10d::TCPStore>(place.address, storeOptions);
      const auto options = c10d::ProcessGroupGloo::Options::create(patience);
      const char* const interface = std::getenv("GLOO_SOCKET_IFNAME");
      options->devices.push_back(interface != nullptr && *interface != '\0'
                                     ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                     : c10d::ProcessGroupGloo::createDeviceForHostname(ownAddress(place)));
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, place.rank, place.size, options);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw Error(text("rank ", place.rank, " of ", place.size, " did not meet the others at ", meetingPlace,
                       ": ", firstLine(error),
                       ". Start all of them with the same address, port and WORLD_SIZE, and "
                       "each with a RANK of its own"));
    }
  }

  void sum(torch::Tensor& tensor) override {
    torch::Tensor buffer = tensor.to(torch::kCPU).contiguous();
    std::vector<torch::Tensor> buffers = {buffer};
    try {
      group_->allreduce(buffers)->wait();
    } catch (const std::exception& error) {
      lost(error);
    }
    if (!buffer.is_same(tensor)) tensor.copy_(buffer);
  }

  std::string share(const std::string& name, const std::string& bytes) override {
    try {
      if (isFirst()) store_->set(name, Bytes(bytes.begin(), bytes.end()));
      if (isFirst()) return bytes;
      const Bytes found = store_->get(name);
      return {found.begin(), found.end()};
    } catch (const std::exception& error) {
      lost(error);
    }
  }

  void meet(const std::string& name, const std::string& problem) override {
    std::string found;
    try {
      const auto key = [&](int64_t rank) { return text(name, ".", rank); };
      const std::string fine = "+";  // not every store takes nothing for a value
      const std::string& said = problem.empty() ? fine : problem;
      store_->set(key(rank()), Bytes(said.begin(), said.end()));
      for (int64_t other = 0; other < size(); ++other) {
        const Bytes heard = store_->get(key(other));
        if (heard != Bytes(fine.begin(), fine.end()) && found.empty())
          found = text("rank ", other, " says: ", std::string(heard.begin(), heard.end()));
      }
      // The store lives in the first process, which may end now: not before everybody has read.
      store_->set(key(rank()) + ".read", Bytes{'+'});
      if (isFirst())
        for (int64_t other = 1; other < size(); ++other) store_->get(key(other) + ".read");
    } catch (const std::exception& error) {
      lost(error);
    }
    if (!found.empty()) throw Error(found);
  }

private:
  [[noreturn]] void lost(const std::exception& error) const {
    throw WorkerLost(
        text("rank ", rank(), " of ", size(),
             " lost contact with another process of this training: it ended, or nothing was heard of it "
             "for ",
             patience_.count(), " seconds (", firstLine(error), "). Its own last words may say why"));
  }

  std::chrono::seconds patience_;
  c10::intrusive_ptr<c10d::TCPStore> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

}  // namespace

std::unique_ptr<WorkerGroup> joinWorkers(const WorkerPlace& place, std::chrono::seconds patience) {
  return std::make_unique<GlooGroup>(place, patience);
}

}  // namespace rdi::train
