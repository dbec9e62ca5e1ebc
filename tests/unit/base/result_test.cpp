#include "base/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace paxledger {
namespace {

TEST(Result, HoldsAValue) {
  const Result<int> result = 7;
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(static_cast<bool>(result));
  EXPECT_EQ(*result, 7);
}

TEST(Result, HoldsAnError) {
  const Result<int> result = Error{ErrorCode::too_large, "key of 5000 octets"};
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::too_large);
  EXPECT_EQ(result.error().message, "key of 5000 octets");
}

TEST(Result, GivesUpAValueThatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 7);
}

TEST(Result, OfNothingIsSuccessByDefault) {
  EXPECT_TRUE(Result<void>().ok());
  const Result<void> failed = Error{ErrorCode::io, "disk full"};
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message, "disk full");
}

TEST(ResultDeathTest, EndsTheProcessIfTheWrongSideIsAsked) {
  const Result<int> failure = Error{ErrorCode::io, "disk full"};
  const Result<int> success = 7;
  EXPECT_DEATH((void)failure.value(), "asked of an error");
  EXPECT_DEATH((void)success.error(), "asked of a success");
  EXPECT_DEATH((void)Result<void>().error(), "asked of a success");
}

TEST(ResultDeathTest, EndsTheProcessIfAnErrorSaysNothing) {
  EXPECT_DEATH((void)Result<int>(Error{ErrorCode::io, {}}), "an error says what happened");
  EXPECT_DEATH((void)Result<void>(Error{ErrorCode::io, {}}), "an error says what happened");
}

TEST(ErrorCode, HasTheWordsThatUsersSee) {
  EXPECT_EQ(to_string(ErrorCode::no_quorum), "no quorum");
  EXPECT_EQ(to_string(ErrorCode::timeout), "timeout, outcome unknown");
  EXPECT_EQ(to_string(static_cast<ErrorCode>(255)), "unknown error");
}

TEST(ErrorCode, KeepsTheNumbersThatStandOnTheWire) {
  EXPECT_EQ(static_cast<int>(ErrorCode::not_found), 1);
  EXPECT_EQ(static_cast<int>(ErrorCode::bad_request), 9);
  EXPECT_EQ(static_cast<int>(ErrorCode::repairing), 11);
}

}  // namespace
}  // namespace paxledger
