// Fingerprints of states: equal states have equal ones, and different states, for all that can be
// expected of 128 bits, different ones.
//
// A type takes part by `void hash_into(StateHasher&) const` or by a free function
// `hash_into(StateHasher&, const T&)` beside it. It takes itself apart by a structured binding, so
// that a new member does not compile before somebody has decided what becomes of it here.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/bytes.hpp"
#include "base/digest.hpp"
#include "base/prng.hpp"
#include "base/strong_id.hpp"
#include "base/time.hpp"

namespace paxledger {

struct Fingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const Fingerprint&) const = default;
};

// How instants are told apart when more than their exact distance from now is to be forgotten:
//   at least `horizon` ago | at least `tick` ago | less ago, or now | ahead by at most `tick` |
//   more
// Whoever asks for classes vouches that nothing else matters: its clock moves by `tick` and by
// `horizon` only, and every timeout of the state is either shorter than one tick, or longer than
// all ticks together and shorter than the horizon.
struct TimeClasses {
  Duration tick;
  Duration horizon;
};

class StateHasher {
 public:
  // Instants count by their distance from `now`. One of zero was never set and counts as longer ago
  // than any timeout, so `now` must be as far from zero.
  explicit StateHasher(Instant now, std::optional<TimeClasses> classes = std::nullopt)
      : now_(now), classes_(classes) {}

  // Adds the values in the order given. Collections add their size first; those without an order
  // of their own have no place here.
  template <class... Values>
  void add(const Values&... values) {
    (add_one(values), ...);
  }
  // A source of randomness that decides nothing but how long delays are. Where times are classes it
  // matters no more than their exact lengths.
  void add_jitter(const Prng& prng) {
    if (!classes_) add(prng);
  }

  [[nodiscard]] Fingerprint fingerprint() const {
    return {scramble(high_ + 0x9e3779b97f4a7c15), scramble(low_ ^ std::rotl(high_, 32))};
  }

 private:
  // The finalizer of SplitMix64: a permutation of 64 bits in which every bit reaches every other.
  static constexpr std::uint64_t scramble(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // Two lanes of different build, each a permutation of its state for a given word.
  void word(std::uint64_t value) {
    high_ = scramble(high_ ^ value) + 0x9e3779b97f4a7c15;
    low_ = std::rotl(low_ + value * 0xd6e8feb86659fd93, 29) * 0xa0761d6478bd642f;
    low_ ^= low_ >> 32;
  }

  void octets(std::string_view octets) {
    word(octets.size());
    while (!octets.empty()) {
      std::uint64_t value = 0;
      const std::size_t count = octets.size() < sizeof value ? octets.size() : sizeof value;
      for (std::size_t i = 0; i < count; ++i) {
        value |= std::uint64_t{static_cast<unsigned char>(octets[i])} << (8 * i);
      }
      word(value);
      octets.remove_prefix(count);
    }
  }

  void instant(Instant at) {
    if (at == Instant::never()) {
      word(UINT64_MAX);
    } else if (at == Instant()) {
      word(classes_ ? 1 : UINT64_MAX - 1);
    } else if (!classes_) {
      word(static_cast<std::uint64_t>((at - now_).count()));
    } else if (at > now_) {
      word(at - now_ <= classes_->tick ? 4 : 5);
    } else {
      word(now_ - at >= classes_->horizon ? 1 : now_ - at >= classes_->tick ? 2 : 3);
    }
  }

  template <class Value>
  void add_one(const Value& value) {
    if constexpr (requires { value.hash_into(*this); }) {
      value.hash_into(*this);
    } else if constexpr (std::integral<Value> || std::is_enum_v<Value>) {
      word(static_cast<std::uint64_t>(value));
    } else if constexpr (std::same_as<Value, Instant>) {
      instant(value);
    } else if constexpr (std::same_as<Value, Timestamp>) {
      word(value.microseconds());
    } else if constexpr (std::same_as<Value, Prng>) {
      for (const std::uint64_t part : value.state()) word(part);
    } else if constexpr (std::same_as<Value, Digest> || std::same_as<Value, SharedBytes>) {
      octets(value.view());
    } else if constexpr (std::convertible_to<Value, std::string_view>) {
      octets(value);
    } else if constexpr (requires {
                           typename Value::rep;
                           value.value();
                         }) {
      word(value.value());
    } else {
      add_compound(value);
    }
  }

  template <class Value>
  void add_compound(const Value& value) {
    if constexpr (requires { std::variant_size<Value>::value; }) {
      word(value.index());
      std::visit([this](const auto& alternative) { add_one(alternative); }, value);
    } else if constexpr (requires { value.has_value(); }) {
      word(value.has_value() ? 1 : 0);
      if (value) add_one(*value);
    } else if constexpr (requires {
                           value.first;
                           value.second;
                         }) {
      add_one(value.first);
      add_one(value.second);
    } else if constexpr (
        requires {
          value.begin();
          value.size();
          value[0];
        } ||
        requires {
          value.begin();
          value.key_comp();
        }) {
      word(value.size());
      for (const auto& item : value) add_one(item);
    } else {
      hash_into(*this, value);
    }
  }

  Instant now_;
  std::optional<TimeClasses> classes_;
  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
};

}  // namespace paxledger
