#include "archive/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "archive/pax.h"

namespace gantry::archive::test {
namespace {

constexpr size_t block = 512;

std::string padded(const std::string& content) {
  std::string result = content;
  result.resize((content.size() + block - 1) / block * block);
  return result;
}

void put(std::string& header, size_t offset, const std::string& text, size_t size) {
  header.replace(offset, std::min(size, text.size()), text.substr(0, size));
}

std::string number(int64_t value, size_t size) {
  if (value >= 0 && value < (int64_t{1} << (3 * (size - 1)))) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%0*llo", static_cast<int>(size - 1), static_cast<long long>(value));
    return text.data();
  }
  std::string field(size, value < 0 ? '\xff' : '\0');
  for (size_t i = 0; i < 8 && i < size; ++i) field[size - 1 - i] = static_cast<char>(value >> (8 * i));
  field[0] = static_cast<char>(field[0] | 0x80);
  return field;
}

}  // namespace

Scratch::Scratch() {
  signal(SIGPIPE, SIG_IGN);
  umask(022);
  std::string pattern = "/var/tmp/gantry-archive-test-XXXXXX";
  path_ = mkdtemp(pattern.data());
  mkdir(root().c_str(), 0755);
}

Scratch::~Scratch() { run("rm -rf --one-file-system " + path_); }

std::string raw(const RawEntry& entry) {
  std::string header(block, '\0');
  put(header, 0, entry.name, 100);
  put(header, 100, number(entry.mode, 8), 8);
  put(header, 108, number(entry.uid, 8), 8);
  put(header, 116, number(entry.gid, 8), 8);
  put(header, 124, entry.size_field.empty() ? number(static_cast<int64_t>(entry.content.size()), 12) : entry.size_field,
      12);
  put(header, 136, number(entry.mtime, 12), 12);
  header[156] = entry.type;
  put(header, 157, entry.link, 100);
  put(header, 257, std::string("ustar\00000", 8), 8);
  put(header, 329, number(entry.major, 8), 8);
  put(header, 337, number(entry.minor, 8), 8);
  put(header, 148, "        ", 8);
  unsigned sum = 0;
  for (const char byte : header) sum += static_cast<unsigned char>(byte);
  put(header, 148, number(sum, 7), 7);
  return header + padded(entry.content);
}

std::string pax(const std::vector<std::pair<std::string, std::string>>& records) {
  RawEntry entry;
  entry.name = "PaxHeaders/x";
  entry.type = 'x';
  for (const auto& [key, value] : records) entry.content += format_pax_record(key, value);
  return raw(entry);
}

std::string end_of_archive() { return std::string(2 * block, '\0'); }

std::string archive_of(const std::vector<RawEntry>& entries) {
  std::string bytes;
  for (const RawEntry& entry : entries) bytes += raw(entry);
  return bytes + end_of_archive();
}

RootSpec directory(const std::string& path) {
  RootSpec spec;
  spec.path = path;
  return spec;
}

UnpackResult unpack_bytes(const std::string& root, const std::string& bytes, const UnpackOptions& options,
                          const std::string& path) {
  int ends[2];
  check(pipe2(ends, O_CLOEXEC), "pipe");
  std::thread writer([&bytes, end = ends[1]] {
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const ssize_t done = write(end, rest.data(), rest.size());
      if (done <= 0) break;
      rest.remove_prefix(static_cast<size_t>(done));
    }
    close(end);
  });
  try {
    UnpackResult result;
    {
      const Root opened(directory(root));
      result = unpack(opened, path, ends[0], options);
    }
    close(ends[0]);
    writer.join();
    return result;
  } catch (...) {
    close(ends[0]);
    writer.join();
    throw;
  }
}

std::string unpack_failure(const std::string& root, const std::string& bytes, const UnpackOptions& options,
                           const std::string& path) {
  try {
    unpack_bytes(root, bytes, options, path);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string pack_bytes(const std::string& root, const std::string& path, const PackOptions& options) {
  std::FILE* file = std::tmpfile();
  const Root opened(directory(root));
  pack(opened, path, fileno(file), options);
  std::string bytes(static_cast<size_t>(lseek(fileno(file), 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(fileno(file), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  std::fclose(file);
  return bytes;
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(lstat(path.c_str(), &status), 0) << path << ": " << std::strerror(errno);
  return status;
}

bool exists(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0;
}

std::string run(const std::string& command) {
  std::FILE* output = popen((command + " 2>&1").c_str(), "r");
  std::string text;
  std::array<char, 4096> part;
  size_t got;
  while ((got = fread(part.data(), 1, part.size(), output)) > 0) text.append(part.data(), got);
  EXPECT_EQ(pclose(output), 0) << command << "\n" << text;
  return text;
}

std::string listing(const std::string& path) {
  return run("cd " + path +
             " && find . -printf '%p %y %m %U:%G %n %l %T@\\n' | sed 's/\\.0*$//' | sort && "
             "find . -type f -exec sha256sum {} + | sort");
}

size_t open_descriptors() {
  size_t count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

}  // namespace gantry::archive::test
