// A node that a test plays: a ROUTER on a free port, on a thread of its own, that answers every
// request as the test says.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "kv/command.hpp"
#include "wire/client_codec.hpp"

namespace paxledger::client {

class FakeNode {
 public:
  // Gives the answer to a request, or nothing to stay silent. Runs on the node's thread.
  using Behaviour = std::function<std::optional<wire::ClientReply>(const wire::ClientRequest&)>;

  explicit FakeNode(Behaviour behaviour, std::string endpoint = "tcp://127.0.0.1:*",
                    ClusterId cluster = ClusterId(1))
      : behaviour_(std::move(behaviour)),
        cluster_(cluster),
        router_(context_, zmq::socket_type::router) {
    router_.set(zmq::sockopt::linger, 0);
    router_.set(zmq::sockopt::rcvtimeo, 10);
    router_.bind(endpoint);
    endpoint_ = router_.get(zmq::sockopt::last_endpoint);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeNode() {
    stopping_ = true;
    thread_.join();
  }

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] std::size_t packets() const { return packets_; }
  // The commands received so far.
  [[nodiscard]] std::vector<std::string> commands() const {
    const std::lock_guard lock(mutex_);
    return commands_;
  }

  // Answers everything with `code`, opening sessions included.
  static Behaviour always(ErrorCode code) {
    return [code](const wire::ClientRequest& request) -> std::optional<wire::ClientReply> {
      wire::ValueReply reply;
      reply.id = wire::id_of(request);
      reply.code = code;
      reply.revision = Revision(1);
      return reply;
    };
  }
  static Behaviour silent() {
    return [](const wire::ClientRequest&) { return std::optional<wire::ClientReply>(); };
  }

 private:
  void serve() {
    while (!stopping_) {
      zmq::message_t routing_id;
      if (!router_.recv(routing_id)) continue;
      zmq::message_t frame;
      (void)router_.recv(frame);
      ++packets_;
      const auto packet = wire::decode_requests(SharedBytes(frame.to_string()), cluster_);
      if (!packet) continue;
      wire::ReplyWriter writer(cluster_, NodeId(1));
      for (const auto& request : packet->requests) {
        if (const auto* execute = std::get_if<wire::ExecuteRequest>(&request)) {
          const std::lock_guard lock(mutex_);
          commands_.emplace_back(execute->command.view());
        }
        const auto reply = behaviour_(request);
        if (reply) (void)writer.add(*reply);
      }
      if (writer.empty()) continue;
      router_.send(routing_id, zmq::send_flags::sndmore);
      router_.send(zmq::buffer(writer.finish()), zmq::send_flags::none);
    }
  }

  Behaviour behaviour_;
  const ClusterId cluster_;
  zmq::context_t context_;
  zmq::socket_t router_;
  std::string endpoint_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> packets_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> commands_;
  std::thread thread_;
};

}  // namespace paxledger::client
