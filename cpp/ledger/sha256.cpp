#include "ledger/sha256.hpp"

#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <memory>

#include "base/invariant.hpp"

namespace paxledger::ledger {
namespace {

// Looking the algorithm up costs more than hashing a header, so it is done once, and each thread
// keeps one context. EVP calls fail only if the library is unusable or memory is exhausted.
class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    invariant(context_ != nullptr, "OpenSSL gives a digest context");
  }

  void start() {
    invariant(EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1, "SHA-256 starts");
  }
  void add(std::string_view octets) {
    invariant(EVP_DigestUpdate(context_.get(), octets.data(), octets.size()) == 1,
              "SHA-256 takes octets");
  }
  Digest finish() {
    Digest digest;
    unsigned int size = 0;
    invariant(EVP_DigestFinal_ex(context_.get(), digest.octets.data(), &size) == 1 &&
                  size == digest.octets.size(),
              "SHA-256 gives 32 octets");
    return digest;
  }

 private:
  static const EVP_MD* algorithm() {
    static const std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> fetched(
        EVP_MD_fetch(nullptr, "SHA256", nullptr), &EVP_MD_free);
    invariant(fetched != nullptr, "OpenSSL offers SHA-256");
    return fetched.get();
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

// The ledger hashes mostly short pieces; joining them first saves calls into the library.
class Joined {
 public:
  explicit Joined(Hasher& hasher) : hasher_(hasher) {}

  void add(std::string_view octets) {
    if (used_ + octets.size() > buffer_.size()) flush();
    if (octets.size() > buffer_.size()) {
      hasher_.add(octets);
    } else if (!octets.empty()) {
      std::memcpy(buffer_.data() + used_, octets.data(), octets.size());
      used_ += octets.size();
    }
  }
  void flush() {
    if (used_ > 0) hasher_.add({buffer_.data(), used_});
    used_ = 0;
  }

 private:
  Hasher& hasher_;
  std::array<char, 512> buffer_;
  std::size_t used_ = 0;
};

Hasher& hasher_of_this_thread() {
  thread_local Hasher hasher;
  return hasher;
}

}  // namespace

Digest sha256(std::initializer_list<std::string_view> parts) {
  Hasher& hasher = hasher_of_this_thread();
  hasher.start();
  Joined joined(hasher);
  for (const std::string_view part : parts) joined.add(part);
  joined.flush();
  return hasher.finish();
}

Digest tagged_sha256(std::string_view domain, std::initializer_list<std::string_view> parts) {
  Hasher& hasher = hasher_of_this_thread();
  hasher.start();
  Joined joined(hasher);
  joined.add(domain);
  joined.add(std::string_view("\0", 1));
  for (const std::string_view part : parts) joined.add(part);
  joined.flush();
  return hasher.finish();
}

}  // namespace paxledger::ledger
