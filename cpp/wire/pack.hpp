// Writing msgpack. For the encoders of this module; their headers do not show msgpack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <msgpack.hpp>
#include <string>
#include <string_view>

#include "base/digest.hpp"

namespace paxledger::wire {

// Appends msgpack to a string that it does not own. Integers take their shortest form.
class Packer {
 public:
  explicit Packer(std::string& out) : sink_{&out}, packer_(sink_) {}
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  void array(std::size_t items) { packer_.pack_array(static_cast<std::uint32_t>(items)); }
  void number(std::uint64_t value) { packer_.pack_uint64(value); }
  template <class Id>
  void id(Id value) {
    packer_.pack_uint64(value.value());
  }
  void boolean(bool value) {
    if (value) {
      packer_.pack_true();
    } else {
      packer_.pack_false();
    }
  }
  void bytes(std::string_view octets) {
    packer_.pack_bin(static_cast<std::uint32_t>(octets.size()));
    packer_.pack_bin_body(octets.data(), static_cast<std::uint32_t>(octets.size()));
  }
  void text(std::string_view octets) {
    packer_.pack_str(static_cast<std::uint32_t>(octets.size()));
    packer_.pack_str_body(octets.data(), static_cast<std::uint32_t>(octets.size()));
  }
  void digest(const Digest& digest) { bytes(digest.view()); }

 private:
  struct Sink {
    std::string* out;
    void write(const char* octets, std::size_t size) { out->append(octets, size); }
  };
  Sink sink_;
  msgpack::packer<Sink> packer_;
};

// An array whose length is known only after its items: begin_counted_array() writes a head of fixed
// size (msgpack's array 16), end_counted_array() fills the length in. `at` is where the head
// stands.
[[nodiscard]] inline std::size_t begin_counted_array(std::string& out) {
  const std::size_t at = out.size();
  out.append("\xdc\x00\x00", 3);
  return at;
}
inline void end_counted_array(std::string& out, std::size_t at, std::size_t items) {
  out[at + 1] = static_cast<char>(static_cast<unsigned char>(items >> 8));
  out[at + 2] = static_cast<char>(static_cast<unsigned char>(items));
}

}  // namespace paxledger::wire
