#include "shim/timestamp.h"

namespace gantry::shim {
namespace {

char* put(char* text, unsigned long value, int digits) noexcept {
  for (int digit = digits - 1; digit >= 0; --digit, value /= 10) text[digit] = static_cast<char>('0' + value % 10);
  return text + digits;
}

}  // namespace

timespec now() noexcept {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

size_t write_timestamp(const timespec& time, char* text) noexcept {
  tm parts{};
  gmtime_r(&time.tv_sec, &parts);
  char* end = put(text, static_cast<unsigned long>(parts.tm_year + 1900), 4);
  *end++ = '-';
  end = put(end, static_cast<unsigned long>(parts.tm_mon + 1), 2);
  *end++ = '-';
  end = put(end, static_cast<unsigned long>(parts.tm_mday), 2);
  *end++ = 'T';
  end = put(end, static_cast<unsigned long>(parts.tm_hour), 2);
  *end++ = ':';
  end = put(end, static_cast<unsigned long>(parts.tm_min), 2);
  *end++ = ':';
  end = put(end, static_cast<unsigned long>(parts.tm_sec), 2);
  *end++ = '.';
  end = put(end, static_cast<unsigned long>(time.tv_nsec), 9);
  *end++ = 'Z';
  return static_cast<size_t>(end - text);
}

std::string timestamp(const timespec& time) {
  char text[kTimestampLength];
  return std::string(text, write_timestamp(time, text));
}

}  // namespace gantry::shim
