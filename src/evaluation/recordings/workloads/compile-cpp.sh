#!/bin/sh
# Compilation: ten C++ files that use the standard library as services do (maps, regular expressions, variants,
# threads, sorting, streams), two at a time, then the link. Needs g++ and make. About a minute on two cores.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

write_unit() { # number, how many record types it handles
  {
    for header in algorithm chrono functional future iostream map memory numeric optional random regex set sstream \
      string thread tuple unordered_map variant vector; do
      echo "#include <$header>"
    done
    echo "namespace unit$1 {"
    for type in $(seq "$2"); do
      cat <<CPP
struct Record$type { std::string name; std::map<std::string, std::vector<double>> series; std::optional<int> rank; };
using Value$type = std::variant<int, double, std::string, std::vector<Record$type>, std::tuple<int, Record$type>>;
std::unordered_map<std::string, Value$type> index$type(const std::vector<Record$type>& records) {
  std::unordered_map<std::string, Value$type> result;
  static const std::regex key("([a-z]+)_([0-9]{1,$type})(?:\\\\.(.*))?");
  for (const auto& record : records) {
    std::smatch match;
    if (std::regex_match(record.name, match, key)) result.emplace(match[1], record.rank.value_or($type));
    else result.emplace(record.name, std::vector<Record$type>{record});
  }
  return result;
}
double weigh$type(std::vector<Record$type> records) {
  std::stable_sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
    return std::tie(a.rank, a.name) < std::tie(b.rank, b.name);
  });
  auto later = std::async(std::launch::async, [records] {
    return std::accumulate(records.begin(), records.end(), 0.0, [](double sum, const Record$type& record) {
      for (const auto& [name, values] : record.series) sum += std::accumulate(values.begin(), values.end(), 0.0);
      return sum;
    });
  });
  std::ostringstream text;
  for (const auto& [name, value] : index$type(records)) {
    std::visit([&](const auto& held) { text << name << sizeof held; }, value);
  }
  return later.get() + text.str().size();
}
CPP
    done
    echo "double run() { double sum = 0;"
    for type in $(seq "$2"); do echo "  sum += weigh$type({{\"a_$type\", {{\"x\", {1.0, 2.0}}}, $type}});"; done
    echo "  return sum; } }"
  } >"unit$1.cpp"
}

objects=
for unit in $(seq 10); do
  write_unit "$unit" $((1 + unit % 4 * 2))
  objects="$objects unit$unit.o"
done
{
  echo '#include <iostream>'
  for unit in $(seq 10); do echo "namespace unit$unit { double run(); }"; done
  echo 'int main() { std::cout << 0.0'
  for unit in $(seq 10); do echo " + unit$unit::run()"; done
  echo ' << std::endl; }'
} >main.cpp
printf 'program: main.o%s\n\tg++ -o $@ $^ -pthread\n%%.o: %%.cpp\n\tg++ -std=c++17 -O2 -g -c -o $@ $<\n' "$objects" >Makefile
make -s -j2 program
./program >/dev/null
