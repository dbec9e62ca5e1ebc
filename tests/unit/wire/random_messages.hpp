// Messages with random contents, the same for the same seed, and packets in a readable form.
#pragma once

#include <msgpack.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "paxos/messages.hpp"
#include "wire/client_messages.hpp"
#include "wire/unpack.hpp"

namespace paxledger::wire::test {

class RandomMessages {
 public:
  explicit RandomMessages(Seed seed) : prng_(seed) {}

  Prng& prng() { return prng_; }

  std::string octets(std::size_t size_max) {
    std::string result(prng_.below(size_max + 1), '\0');
    for (char& c : result) c = static_cast<char>(prng_.below(256));
    return result;
  }

  static constexpr std::size_t kKinds = std::variant_size_v<paxos::Message>;

  // The alternative number `kind` of paxos::Message.
  paxos::Message peer_message(std::size_t kind) {
    using namespace paxos;
    switch (kind) {
      case 0:
        return Heartbeat{ballot(), flag(), flag(), node(), flag(), slot(), head()};
      case 1:
        return PreVote{ballot()};
      case 2:
        return PreVoteReply{ballot(), flag(), ballot()};
      case 3:
        return Prepare{ballot(), slot()};
      case 4:
        return promise();
      case 5:
        return Accept{ballot(), slot(), bytes(), slot()};
      case 6:
        return Accepted{ballot(), slot(), generations()};
      case 7:
        return Nack{ballot()};
      case 8:
        return Forward{prng_.next(), static_cast<std::uint8_t>(prng_.below(3)), word(), bytes()};
      case 9:
        return ForwardReply{prng_.next(), code(), Revision(position()), bytes()};
      case 10:
        return ReadIndexRequest{prng_.next(), static_cast<std::uint8_t>(prng_.below(256))};
      case 11:
        return ReadIndexReply{prng_.next(), flag(), slot()};
      case 12:
        return ReadProbe{ballot(), prng_.next()};
      case 13:
        return ReadProbeAck{ballot(), prng_.next(), generations()};
      case 14:
        return FetchBlocks{Height(position()), word()};
      case 15:
        return Blocks{Height(position()), many_bytes(), head()};
      case 16:
        return RejoinRequest{Generation(word()), prng_.next()};
      default:
        return RejoinReply{Generation(word()), ballot(), slot(), prng_.next(), generations()};
    }
  }
  paxos::Message peer_message() { return peer_message(prng_.below(kKinds)); }

  ClientRequest request() {
    switch (prng_.below(5)) {
      case 0:
        return ExecuteRequest{prng_.next(), word(), bytes()};
      case 1:
        return GetRequest{prng_.next(), word(), consistency(), key()};
      case 2:
        return ScanRequest{prng_.next(), word(), consistency(),
                           key(),        key(),  1 + static_cast<std::uint32_t>(prng_.below(4096))};
      case 3:
        return ChainRequest{prng_.next(), Height(1 + prng_.below(1'000'000)),
                            static_cast<std::uint32_t>(prng_.below(1 << 22)), word()};
      default:
        return AdminRequest{prng_.next(), word(), "status", R"({"peer":2})"};
    }
  }

  ClientReply reply() {
    switch (prng_.below(3)) {
      case 0:
        return ValueReply{prng_.next(),
                          code(),
                          Revision(position()),
                          Height(position()),
                          bytes(),
                          "what went wrong",
                          NodeId(static_cast<std::uint32_t>(prng_.below(10)))};
      case 1: {
        ScanReply m{prng_.next(), Height(position()), flag(), {}};
        for (std::size_t i = prng_.below(20); i > 0; --i) {
          m.items.push_back({key(), bytes(), Revision(position())});
        }
        return m;
      }
      default:
        return ChainReply{prng_.next(), Height(position()), Height(position()), many_bytes()};
    }
  }

 private:
  bool flag() { return prng_.chance(1, 2); }
  std::uint32_t word() { return static_cast<std::uint32_t>(prng_.next()) >> prng_.below(32); }
  std::uint64_t position() { return (prng_.next() & kPositionMax) >> prng_.below(62); }
  Slot slot() { return Slot(position()); }
  NodeId node() { return NodeId(word()); }
  ErrorCode code() { return static_cast<ErrorCode>(prng_.below(12)); }
  Consistency consistency() { return static_cast<Consistency>(prng_.below(2)); }
  paxos::Ballot ballot() { return {Round(position()), node()}; }
  SharedBytes bytes() { return SharedBytes(octets(prng_.chance(1, 20) ? 20'000 : 60)); }
  SharedBytes key() { return SharedBytes("k" + octets(40)); }
  paxos::Head head() {
    paxos::Head result;
    result.height = Height(position());
    for (auto& octet : result.hash.octets) octet = static_cast<std::uint8_t>(prng_.below(256));
    return result;
  }
  paxos::Generations generations() {
    paxos::Generations result;
    for (std::uint32_t id = 1; id <= 5; ++id) {
      if (flag()) result.push_back({NodeId(id), Generation(word())});
    }
    return result;
  }
  paxos::Promise promise() {
    paxos::Promise m{ballot(), slot(), {}, flag(), slot(), {}, generations()};
    Slot at = m.first;
    for (std::size_t i = prng_.below(10); i > 0; --i) {
      m.accepted.push_back({at, ballot(), bytes()});
      at = at.plus(1 + prng_.below(3));
    }
    m.through = at;
    return m;
  }
  std::vector<SharedBytes> many_bytes() {
    std::vector<SharedBytes> result(prng_.below(10));
    for (auto& item : result) item = bytes();
    return result;
  }

  Prng prng_;
};

// One value as msgpack-c itself reads it: a str in double quotes, a bin in single ones.
inline void print(std::ostream& out, const msgpack::object& value) {
  if (value.type == msgpack::type::BIN) {
    out << '\'' << std::string_view(value.via.bin.ptr, value.via.bin.size) << '\'';
  } else if (value.type == msgpack::type::ARRAY) {
    out << '[';
    for (std::uint32_t i = 0; i < value.via.array.size; ++i) {
      if (i > 0) out << ',';
      print(out, value.via.array.ptr[i]);
    }
    out << ']';
  } else {
    out << value;
  }
}

// A packet in readable form, e.g. [1,77,'octets',"text",true].
inline std::string readable(const std::string& packet) {
  std::size_t offset = 0;
  const auto handle = msgpack::unpack(packet.data(), packet.size(), offset);
  std::ostringstream text;
  print(text, handle.get());
  if (offset != packet.size()) text << " and more";
  return text.str();
}

}  // namespace paxledger::wire::test
