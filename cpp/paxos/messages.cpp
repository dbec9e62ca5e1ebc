#include "paxos/messages.hpp"

#include <array>

namespace paxledger::paxos {

const char* name_of(const Message& message) {
  static constexpr std::array<const char*, std::variant_size_v<Message>> kNames = {
      "Heartbeat",        "PreVote",        "PreVoteReply", "Prepare",      "Promise",
      "Accept",           "Accepted",       "Nack",         "Forward",      "ForwardReply",
      "ReadIndexRequest", "ReadIndexReply", "ReadProbe",    "ReadProbeAck", "FetchBlocks",
      "Blocks",           "RejoinRequest",  "RejoinReply"};
  return kNames[message.index()];
}

}  // namespace paxledger::paxos
