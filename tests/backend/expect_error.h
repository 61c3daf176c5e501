#pragma once
// Expectation of an Error with a kind and a part of its message.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/base/error.h"

namespace graft::test {

template <typename Action>
void expect_error(ErrorKind kind, const Action& action, const std::string& part) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one about: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
  }
}

template <typename Action>
void expect_usage(const Action& action, const std::string& part) {
  expect_error(ErrorKind::usage, action, part);
}

}  // namespace graft::test
