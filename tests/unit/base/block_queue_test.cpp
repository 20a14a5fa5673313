// SPDX-License-Identifier: Apache-2.0
#include "base/block_queue.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.hpp"

namespace lighterd::base {
namespace {

std::string read_whole(BlockQueue& queue, std::size_t step) {
  std::string text;
  std::vector<std::byte> buffer(step);
  for (std::size_t count = queue.read(buffer); count > 0; count = queue.read(buffer))
    text += as_text(Bytes(buffer).first(count));
  return text;
}

TEST(BlockQueueTest, CarriesEveryByteInOrder) {
  std::string sent;
  for (int i = 0; i < 5000; ++i) sent += std::to_string(i);
  for (const std::size_t step : {1U, 7U, 64U, 1000U}) {
    BlockQueue queue(2, 64);
    const std::jthread producer([&](const std::stop_token& stop) {
      for (std::size_t at = 0; at < sent.size(); at += 999)
        queue.write(as_bytes(std::string_view(sent).substr(at, 999)), stop);
      queue.close();
    });
    EXPECT_EQ(read_whole(queue, step), sent) << step;
    EXPECT_TRUE(queue.next_block().empty());
  }
}

TEST(BlockQueueTest, AFailureComesAfterWhatWasPut) {
  BlockQueue queue(4, 16);
  queue.write(as_bytes("before"), {});
  queue.fail(std::make_exception_ptr(Error(ErrorCode::kDataLoss, "broken")));
  EXPECT_EQ(as_text(queue.next_block()), "before");
  EXPECT_THROW(queue.next_block(), Error);
  EXPECT_THROW(queue.next_block(), Error);
}

TEST(BlockQueueTest, TheProducerWaitsForTheConsumerAndCanBeStopped) {
  BlockQueue queue(2, 4);
  queue.write(as_bytes("12345678"), {});
  std::jthread producer([&](const std::stop_token& stop) {
    try {
      queue.write(as_bytes("9"), stop);
      queue.close();
    } catch (...) {
      queue.fail(std::current_exception());
    }
  });
  // The block that the consumer works on is not free yet.
  EXPECT_EQ(as_text(queue.next_block()), "1234");
  producer.request_stop();
  producer.join();
  EXPECT_EQ(as_text(queue.next_block()), "5678");
  try {
    queue.next_block();
    FAIL() << "no failure";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace lighterd::base
