// Octets. Owned octets are std::string, borrowed ones std::string_view, and octets that several
// owners read (a value on its way to peers, log, state and blocks) are SharedBytes.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace paxledger {

// An immutable, reference-counted run of octets, or a slice of one. Copying copies no octets.
// Thread-safe in the way of std::shared_ptr: distinct objects may be used from distinct threads.
class SharedBytes {
 public:
  SharedBytes() = default;
  explicit SharedBytes(std::string octets) {
    auto owner = std::make_shared<const std::string>(std::move(octets));
    view_ = *owner;
    owner_ = std::move(owner);
  }

  // One allocation holds the count and the octets.
  static SharedBytes copy_of(std::string_view octets) {
    SharedBytes copy;
    if (octets.empty()) return copy;
    auto owner = std::make_shared_for_overwrite<char[]>(octets.size());
    std::memcpy(owner.get(), octets.data(), octets.size());
    copy.view_ = {owner.get(), octets.size()};
    copy.owner_ = std::move(owner);
    return copy;
  }

  [[nodiscard]] std::string_view view() const { return view_; }
  [[nodiscard]] std::size_t size() const { return view_.size(); }
  [[nodiscard]] bool empty() const { return view_.empty(); }

  // The slice shares ownership. Precondition: offset + length <= size().
  [[nodiscard]] SharedBytes slice(std::size_t offset, std::size_t length) const {
    SharedBytes part;
    part.owner_ = owner_;
    part.view_ = view_.substr(offset, length);
    return part;
  }
  [[nodiscard]] SharedBytes slice(std::size_t offset) const {
    return slice(offset, size() - offset);
  }

  friend bool operator==(const SharedBytes& a, const SharedBytes& b) { return a.view_ == b.view_; }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view view_;
};

// Little-endian fixed-width integers, as every format of this project writes them.
template <class Integer>
void append_le(std::string& out, Integer value) {
  char octets[sizeof(Integer)];
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(octets, &value, sizeof(Integer));
  } else {
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
      octets[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
    }
  }
  out.append(octets, sizeof(Integer));
}

// Precondition: offset + sizeof(Integer) <= octets.size().
template <class Integer>
[[nodiscard]] Integer read_le(std::string_view octets, std::size_t offset) {
  if constexpr (std::endian::native == std::endian::little) {
    Integer value;
    std::memcpy(&value, octets.data() + offset, sizeof(Integer));
    return value;
  } else {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(octets[offset + i]))
               << (8 * i);
    }
    return static_cast<Integer>(value);
  }
}

// Lower-case hexadecimal, two digits per octet.
[[nodiscard]] std::string to_hex(std::string_view octets);

// Printable ASCII as it is, everything else as \xNN; at most `limit` octets are shown, then "…".
[[nodiscard]] std::string printable(std::string_view octets, std::size_t limit = 64);

}  // namespace paxledger
