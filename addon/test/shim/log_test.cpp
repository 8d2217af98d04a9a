#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>

#include "shim/json_log.h"
#include "shim/json_text.h"
#include "shim/shim_process.h"
#include "shim/timestamp.h"

namespace gantry::test {
namespace {

using nlohmann::json;
using shim::JsonLog;
using shim::LogFile;
using shim::Stream;

/// A log in a bundle's state directory, without a shim.
class Log : public ::testing::Test {
 protected:
  void open(int64_t max_size = -1, int max_files = 1) {
    file_ = std::make_unique<LogFile>(bundle_.path("state/json.log"), max_size, max_files);
    log_ = std::make_unique<JsonLog>(*file_);
  }
  void write(const std::string& text, Stream stream = Stream::kStdout) {
    log_->write(stream, text.data(), text.size());
  }

  Bundle bundle_;
  std::unique_ptr<LogFile> file_;
  std::unique_ptr<JsonLog> log_;
};

std::string escaped(const std::string& text) {
  std::string out(text.size() * shim::kJsonExpansion, '\0');
  out.resize(static_cast<size_t>(shim::write_json_text(text.data(), text.size(), out.data()) - out.data()));
  return out;
}

TEST(JsonText, EscapesWhatJsonDoesNotTake) {
  EXPECT_EQ(escaped("a\"b\\c\n\r\t\x01\x7f"), "a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f");
  EXPECT_EQ(escaped(std::string("\0", 1)), "\\u0000");
}

TEST(JsonText, KeepsUtf8AndEscapesLineSeparators) {
  EXPECT_EQ(escaped("grüße 漢字 😀"), "grüße 漢字 😀");
  EXPECT_EQ(escaped("\u2028\u2029"), "\\u2028\\u2029");
}

TEST(JsonText, ReplacesEachByteThatIsNotUtf8) {
  EXPECT_EQ(escaped("a\xff\xfe"), "a\\ufffd\\ufffd");
  EXPECT_EQ(escaped("\xc3"), "\\ufffd");                                   // cut short
  EXPECT_EQ(escaped("\xc0\x80"), "\\ufffd\\ufffd");                        // overlong
  EXPECT_EQ(escaped("\xed\xa0\x80"), "\\ufffd\\ufffd\\ufffd");             // a surrogate
  EXPECT_EQ(escaped("\xf4\x90\x80\x80"), "\\ufffd\\ufffd\\ufffd\\ufffd");  // beyond U+10FFFF
  EXPECT_EQ(escaped("\xe2\x82z"), "\\ufffd\\ufffdz");
}

TEST(Timestamp, IsRfc3339WithNanoseconds) {
  EXPECT_EQ(shim::timestamp({0, 0}), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(shim::timestamp({951782399, 123456789}), "2000-02-28T23:59:59.123456789Z");
  EXPECT_EQ(shim::timestamp({4102444800, 1}), "2100-01-01T00:00:00.000000001Z");
}

TEST_F(Log, WritesDockersFormat) {
  open();
  write("one\ntwo\n");
  const std::string text = bundle_.log();
  EXPECT_EQ(text.substr(0, 41), R"({"log":"one\n","stream":"stdout","time":")");
  EXPECT_EQ(text.substr(71, 3), "\"}\n");
  EXPECT_EQ(bundle_.log_lines().size(), 2U);
}

TEST_F(Log, JoinsALineThatComesInPiecesAndKeepsStreamsApart) {
  open();
  write("be");
  write("x\n", Stream::kStderr);
  write("gin\nrest");
  EXPECT_EQ(bundle_.log_lines().size(), 2U);
  log_->end(Stream::kStdout);
  auto lines = bundle_.log_lines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0]["log"], "x\n");
  EXPECT_EQ(lines[0]["stream"], "stderr");
  EXPECT_EQ(lines[1]["log"], "begin\n");
  EXPECT_EQ(lines[2]["log"], "rest");
}

TEST_F(Log, CutsLongLines) {
  open();
  const std::string line(2 * JsonLog::kMaxLine + 5, 'x');
  for (size_t at = 0; at < line.size(); at += 1000) write(line.substr(at, 1000));
  write("\n");
  auto lines = bundle_.log_lines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0]["log"], std::string(JsonLog::kMaxLine, 'x'));
  EXPECT_EQ(lines[2]["log"], "xxxxx\n");
}

TEST_F(Log, DoesNotCutThroughACharacter) {
  open();
  std::string line;
  while (line.size() < 3 * JsonLog::kMaxLine) line += "é漢😀";
  write(line + "\n");
  EXPECT_EQ(bundle_.logged(), line + "\n");
  EXPECT_GT(bundle_.log_lines().size(), 3U);
}

TEST_F(Log, SurvivesAnySplitOfNastyInput) {
  std::string nasty;
  for (int byte = 255; byte >= 0; --byte) nasty += std::string(1, static_cast<char>(byte)) + (byte % 7 ? "" : "\n");
  open();
  write(nasty);
  log_->end(Stream::kStdout);
  const std::string whole = bundle_.logged();
  for (size_t piece : {1UL, 2UL, 3UL, 50UL}) {
    std::ofstream(bundle_.path("state/json.log"), std::ios::trunc).close();
    open();
    for (size_t at = 0; at < nasty.size(); at += piece) write(nasty.substr(at, piece));
    log_->end(Stream::kStdout);
    EXPECT_EQ(bundle_.logged(), whole) << piece;
  }
}

TEST_F(Log, RotatesBySizeAndKeepsSoManyFiles) {
  open(1000, 3);
  for (int line = 0; line < 100; ++line) write("line " + std::to_string(line) + "\n");
  std::string all;
  for (const char* name : {"state/json.log.2", "state/json.log.1", "state/json.log"}) {
    const std::string text = read_text(bundle_.path(name));
    EXPECT_GT(text.size(), 0U) << name;
    EXPECT_LT(text.size(), 1100U) << name;
    all += text;
  }
  EXPECT_NE(access(bundle_.path("state/json.log.3").c_str(), F_OK), 0);
  EXPECT_EQ(all.find("line 99\\n"), all.rfind("line "));
}

TEST_F(Log, RotatesWithinOneRead) {
  open(1000, 2);
  std::string text;
  for (int line = 0; line < 100; ++line) text += "line " + std::to_string(line) + "\n";
  write(text);
  EXPECT_LT(bundle_.log().size(), 1100U);
  EXPECT_GT(read_text(bundle_.path("state/json.log.1")).size(), 900U);
}

TEST_F(Log, StartsAnewWhenOnlyOneFileIsKept) {
  open(1000, 1);
  for (int line = 0; line < 100; ++line) write("line " + std::to_string(line) + "\n");
  EXPECT_LT(bundle_.log().size(), 1100U);
  EXPECT_NE(access(bundle_.path("state/json.log.1").c_str(), F_OK), 0);
}

TEST_F(Log, GoesOnInTheOldFileWhenItCannotRotate) {
  open(1000, 2);
  std::filesystem::create_directories(bundle_.path("state/json.log.1/occupied"));
  for (int line = 0; line < 100; ++line) write("line " + std::to_string(line) + "\n");
  EXPECT_EQ(bundle_.log_lines().size(), 100U);
}

TEST_F(Log, EndsALineThatWasCutByACrash) {
  write_text(bundle_.path("state/json.log"), R"({"log":"half)");
  open();
  write("next\n");
  EXPECT_EQ(bundle_.log().substr(0, 23), "{\"log\":\"half\n{\"log\":\"ne");
}

TEST_F(Log, DropsWholeLinesWhileTheDiskIsFullAndGoesOn) {
  ASSERT_EQ(mount("tmpfs", bundle_.path("state").c_str(), "tmpfs", 0, "size=64k"), 0);
  open();
  for (int line = 0; line < 2000; ++line) write("line " + std::to_string(line) + "\n");
  EXPECT_GT(file_->dropped_lines(), 0U);
  const size_t kept = bundle_.log_lines().size();  // every line is whole
  EXPECT_EQ(kept + file_->dropped_lines(), 2000U);
  ASSERT_EQ(mount("tmpfs", bundle_.path("state").c_str(), "tmpfs", MS_REMOUNT, "size=1m"), 0);
  write("again\n");
  EXPECT_EQ(bundle_.log_lines().back()["log"], "again\n");
  file_.reset();
  umount2(bundle_.path("state").c_str(), MNT_DETACH);
}

TEST(ContainerLog, HasEveryByteOfAFastWriter) {
  Bundle bundle;
  bundle.run_script("seq 1 50000; echo last >&2; printf unfinished");
  ShimProcess shim(bundle);
  shim.control.request({{"type", "run"}});
  shim.control.event("exit");
  std::string expected;
  for (int line = 1; line <= 50000; ++line) expected += std::to_string(line) + "\n";
  EXPECT_TRUE(bundle.logged("stdout") == expected + "unfinished");
  EXPECT_EQ(bundle.logged("stderr"), "last\n");
}

TEST(ContainerLog, IsOpenedAgainOnRequest) {
  Bundle bundle;
  bundle.run_script("echo one; cat; echo two");
  bundle.shim["stdin"]["open"] = true;
  bundle.shim["stdin"]["once"] = true;
  ShimProcess shim(bundle);
  shim.control.request({{"type", "run"}});
  ASSERT_TRUE(eventually([&] { return bundle.logged() == "one\n"; }));
  std::filesystem::rename(bundle.path("state/json.log"), bundle.path("state/old.log"));
  shim.control.request({{"type", "reopen-log"}});
  shim.attach(true, true, true).end_input();
  shim.control.event("exit");
  EXPECT_EQ(bundle.logged(), "two\n");
}

TEST(ContainerLog, IsNotWrittenWithTheDriverNone) {
  Bundle bundle;
  bundle.shim["log"] = {{"driver", "none"}};
  bundle.run_script("echo quiet");
  ShimProcess shim(bundle);
  shim.control.request({{"type", "run"}});
  EXPECT_EQ(shim.control.event("exit")["exitCode"], 0);
  EXPECT_NE(access(bundle.path("state/json.log").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace gantry::test
