// What tests of the dispatcher share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/dispatcher.hpp"
#include "wire/client_codec.hpp"

namespace paxledger::client {

// A dispatcher with endpoints A, B, C, a clock that the test moves, and a list of what ended.
class DispatcherTest : public testing::Test {
 protected:
  using milliseconds = std::chrono::milliseconds;

  struct Call {
    std::optional<wire::ValueReply> end;
    Trace trace;
  };
  struct Sent {
    std::uint64_t id = 0;
    std::string octets;
    kv::Command command;  // views into `octets`
  };

  void SetUp() override { start({"tcp://a:1", "tcp://b:1", "tcp://c:1"}); }

  void start(std::vector<std::string> endpoints, std::size_t connections = 1) {
    Options options;
    options.endpoints = std::move(endpoints);
    options.connections = connections;
    options.deadline = milliseconds(5000);
    options.attempt_timeout = milliseconds(500);
    dispatcher_.emplace(options, Seed{1});
  }

  std::shared_ptr<Call> put(const std::string& key, milliseconds deadline = milliseconds(5000)) {
    Write write;
    write.key = key;
    write.value = "v";
    return submit(std::move(write), deadline, std::nullopt);
  }
  std::shared_ptr<Call> get(const std::string& key,
                            std::optional<std::size_t> endpoint = std::nullopt) {
    wire::GetRequest body;
    body.key = SharedBytes::copy_of(key);
    return submit(std::move(body), milliseconds(5000), endpoint);
  }
  std::shared_ptr<Call> submit(Body body, milliseconds deadline,
                               std::optional<std::size_t> endpoint) {
    auto call = std::make_shared<Call>();
    Request request;
    request.body = std::move(body);
    request.deadline = now_ + deadline;
    request.endpoint = endpoint;
    request.done = [call](Ended ended) {
      ASSERT_FALSE(call->end) << "a call ends once";
      call->end = std::get<wire::ValueReply>(std::move(ended.reply));
      call->trace = std::move(ended.trace);
    };
    dispatcher_->submit(std::move(request), now_);
    return call;
  }

  // The commands of the next packet over a link.
  std::vector<Sent> sent(std::size_t link) {
    std::vector<Sent> commands;
    for (const auto& request : dispatcher_->take_packet(link, now_)) {
      const auto& execute = std::get<wire::ExecuteRequest>(request);
      Sent one{execute.id, std::string(execute.command.view()), {}};
      commands.push_back(std::move(one));
      commands.back().command = *kv::parse_command(commands.back().octets);
    }
    return commands;
  }
  std::vector<std::uint64_t> ids(std::size_t link) {
    std::vector<std::uint64_t> found;
    for (const auto& request : dispatcher_->take_packet(link, now_)) {
      found.push_back(wire::id_of(request));
    }
    return found;
  }

  void reply(std::size_t link, std::uint64_t id, ErrorCode code, std::string message = {}) {
    wire::ValueReply reply;
    reply.id = id;
    reply.code = code;
    reply.message = std::move(message);
    if (code != ErrorCode::ok) reply.leader = NodeId(2);
    dispatcher_->replied(link, std::move(reply), now_);
  }
  void pass(milliseconds time) {
    for (milliseconds done{0}; done < time; done += milliseconds(10)) {
      now_ += milliseconds(10);
      dispatcher_->tick(now_);
    }
  }
  // From now on every link in `refusing` says that there is no quorum, and the others say nothing,
  // until the call ends or `time` has passed.
  void refuse(const Call& call, const std::vector<std::size_t>& refusing, milliseconds time) {
    for (milliseconds done{0}; done < time && !call.end; done += milliseconds(10)) {
      for (std::size_t link = 0; link < 3; ++link) {
        const bool refuses = std::find(refusing.begin(), refusing.end(), link) != refusing.end();
        for (const auto id : ids(link)) {
          if (refuses) reply(link, id, ErrorCode::no_quorum);
        }
      }
      pass(milliseconds(10));
    }
  }
  void open_session() {
    const auto opening = sent(0);
    ASSERT_EQ(opening.size(), 1u);
    ASSERT_EQ(opening[0].command.kind, kv::CommandKind::open_session);
    session_ = opening[0].command.session;
    reply(0, opening[0].id, ErrorCode::ok);
  }

  Clock::time_point now_ = Clock::time_point(std::chrono::hours(1));
  std::optional<Dispatcher> dispatcher_;
  SessionId session_;
};

}  // namespace paxledger::client
