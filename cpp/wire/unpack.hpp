// The one place where msgpack octets become values, and where bad octets become an Error.
//
// An Unpacker is pulled: the caller says what must come next. Nothing is built from what the octets
// declare about themselves, so a declared array of four billion costs five octets of looking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/bytes.hpp"
#include "base/digest.hpp"
#include "base/result.hpp"

namespace paxledger::wire {

// What a well-formed packet never exceeds.
inline constexpr std::size_t kArrayItemsMax = 4096;
inline constexpr std::size_t kMapItemsMax = 256;
inline constexpr std::size_t kDepthMax = 8;
inline constexpr std::size_t kFrameBytesMax = std::size_t{8} << 20;
// Slots, heights, rounds, revisions and the like end below this, so that adding one never wraps.
inline constexpr std::uint64_t kPositionMax = (std::uint64_t{1} << 62) - 1;

// Reads one frame from front to back.
//
// The first thing that is not as expected makes the reader fail: from then on every call returns an
// empty value and reads nothing, and error() says what was expected and at which offset. Callers
// therefore check once, at the end (and in loops, so that they end).
//
// Invariants:
//  1. offset() <= frame size, and never falls but by rewind().
//  2. No allocation is larger than what is left of the frame.
// Not thread-safe. Throws nothing.
class Unpacker {
 public:
  explicit Unpacker(SharedBytes frame);

  // The head of an array of any length up to `items_max`; returns the length.
  std::size_t array(std::size_t items_max = kArrayItemsMax);
  // The head of an array of exactly `arity` items.
  void array_of(std::size_t arity);

  // An integer from 0 to `max`.
  std::uint64_t number(std::uint64_t max = UINT64_MAX);
  template <class Integer>
  Integer integer() {
    static_assert(std::is_unsigned_v<Integer>);
    return static_cast<Integer>(number(static_cast<Integer>(~Integer{0})));
  }
  // A strong id. Id::rep limits it; ids that name positions are limited by kPositionMax as well.
  template <class Id>
  Id id() {
    return Id(integer<typename Id::rep>());
  }
  template <class Id>
  Id position() {
    return Id(number(kPositionMax));
  }

  bool boolean();

  // A `bin`. It becomes a slice of the frame if the frame is small or the slice is a good part of
  // it, else a copy: what is kept of a frame never holds more than eight times its own size, or
  // 4 KiB, in memory.
  SharedBytes bytes(std::size_t size_max = kFrameBytesMax);
  // A `bin`, valid while the frame lives.
  std::string_view bytes_view(std::size_t size_max = kFrameBytesMax);
  // A `str`. Its octets are not checked to be UTF-8.
  std::string text(std::size_t size_max);
  // A `bin` of 32 octets.
  Digest digest();

  // Passes over one whole value of any type within the limits above.
  void skip();
  // Demands that nothing is left.
  void end();

  // Reports what is well-formed but not allowed.
  void fail(std::string_view expectation);
  [[nodiscard]] bool failed() const { return failed_; }
  // Precondition: failed(). The code is bad_request.
  [[nodiscard]] const Error& error() const;

  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] std::size_t left() const { return frame_.size() - offset_; }
  // Goes back to an earlier offset and forgets the failure.
  void rewind(std::size_t offset);

 private:
  struct Token;
  // Reads one scalar, or the head of one array, into `token`.
  bool next(Token& token, std::string_view expectation);
  void fail_at(std::size_t offset, std::string_view expectation, std::string_view found);

  SharedBytes frame_;
  std::size_t offset_ = 0;
  bool failed_ = false;
  Error error_;
};

}  // namespace paxledger::wire
