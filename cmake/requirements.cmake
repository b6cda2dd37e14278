# What a build needs, asked for in its first seconds: one sentence says what is missing and what to do.

set(_wanted_compiler "a C++20 compiler (GCC 11 or later, Clang 14 or later)")
set(_how_to_compiler
  "install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install), or name another in the variable CXX")

if(NOT CMAKE_CXX_COMPILER)
  include(CheckLanguage)
  check_language(CXX)
endif()
if(NOT CMAKE_CXX_COMPILER)
  set(_got "none")
  if(DEFINED ENV{CXX})
    set(_got "CXX=$ENV{CXX}, which compiles nothing")
  endif()
  # An answer for now: the next try asks again.
  unset(CMAKE_CXX_COMPILER CACHE)
  message(FATAL_ERROR "pyseq: expected ${_wanted_compiler}, got ${_got}; ${_how_to_compiler}")
endif()
enable_language(CXX)

function(pyseq_check_compiler)
  set(got "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} (${CMAKE_CXX_COMPILER})")
  foreach(least "GNU 11" "Clang 14" "AppleClang 14")
    separate_arguments(least)
    list(GET least 0 name)
    list(GET least 1 version)
    if(CMAKE_CXX_COMPILER_ID STREQUAL name AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS version)
      message(FATAL_ERROR "pyseq: expected ${_wanted_compiler}, got ${got}; ${_how_to_compiler}")
    endif()
  endforeach()
  if(MSVC AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "pyseq: expected a compiler with GNU's vector extensions, got ${got}; name Clang or MinGW in the variable CXX and set CMAKE_GENERATOR=Ninja")
  endif()
  # Compilers by other names, and a new one beside an old standard library.
  include(CheckCXXSourceCompiles)
  check_cxx_source_compiles("
    #include <bit>
    #include <concepts>
    #include <span>
    typedef float V __attribute__((vector_size(16)));
    template <std::integral T> int f(std::span<T> s) { return std::popcount(unsigned(s.size())); }
    int main() {
      int x[3] = {1, 2, 3};
      V v = {1, 2, 3, 4};
      v = v * v;
      return f(std::span<int>(x)) + int(v[0]);
    }" PYSEQ_CXX20_COMPILES)
  if(NOT PYSEQ_CXX20_COMPILES)
    unset(PYSEQ_CXX20_COMPILES CACHE)
    message(FATAL_ERROR "pyseq: expected ${_wanted_compiler}, got ${got} without C++20, its library or GNU's vector extensions; ${_how_to_compiler}")
  endif()
endfunction()

macro(pyseq_find_openmp)
  # Apple's compiler comes without a runtime, and Homebrew's lies where no compiler looks.
  if(APPLE AND NOT OpenMP_ROOT AND NOT DEFINED ENV{OpenMP_ROOT})
    execute_process(COMMAND brew --prefix libomp OUTPUT_VARIABLE OpenMP_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE
      ERROR_QUIET)
  endif()
  find_package(OpenMP COMPONENTS CXX)
  if(NOT OpenMP_CXX_FOUND)
    message(FATAL_ERROR "pyseq: expected OpenMP, for threads, got ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} (${CMAKE_CXX_COMPILER}) without it; install its runtime (Clang on Debian, Ubuntu: apt install libomp-dev; macOS: brew install libomp), or build for one thread: pip install . --config-settings=cmake.define.PYSEQ_OPENMP=OFF")
  endif()
endmacro()
