#include "bench/harness/plot.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/base/error.h"
#include "made_results.h"
#include "tests/report/xml_check.h"
#include "tests/support/comma_locale.h"
#include "tests/support/support.h"

namespace graft::bench::test {
namespace {

using ::graft::test::error_of;
using ::graft::test::parse_xml;
using ::graft::test::XmlElement;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

using Elements = std::vector<XmlElement>;

std::string plot_of(const std::vector<Result>& results) {
  return plot_svg(results);
}

Elements of_class(const Elements& elements, const std::string& name) {
  Elements found;
  for (const XmlElement& element : elements) {
    const auto attribute = element.attributes.find("class");
    if (attribute != element.attributes.end() && attribute->second == name)
      found.push_back(element);
  }
  return found;
}

std::vector<std::string> texts(const Elements& elements) {
  std::vector<std::string> result;
  for (const XmlElement& element : elements) {
    if (element.name == "text") result.push_back(element.text);
  }
  return result;
}

double number(const XmlElement& element, const std::string& attribute) {
  return std::stod(element.attributes.at(attribute));
}

// Well-formed, with every number finite and every shape on the page.
Elements sound(const std::vector<Result>& results) {
  const std::string svg = plot_of(results);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  for (const char* outside : {"<script", "href", "@import", "<image", "@font-face", "url(http"})
    EXPECT_THAT(svg, Not(HasSubstr(outside)));
  Elements elements = parse_xml(svg);
  const double height = number(elements[0], "height");
  for (const XmlElement& element : elements) {
    for (const char* x : {"x", "x1", "x2"}) {
      if (!element.attributes.contains(x)) continue;
      EXPECT_TRUE(number(element, x) >= 0 && number(element, x) <= 1000) << element.text;
    }
    for (const char* y : {"y", "y1", "y2"}) {
      if (!element.attributes.contains(y)) continue;
      EXPECT_TRUE(number(element, y) >= 0 && number(element, y) <= height) << element.text;
    }
  }
  return elements;
}

Measurement timed(const std::string& name, double seconds, double flop, double bytes) {
  Measurement measurement = made_measurement(name, made_samples(seconds, 0.01, 20, 1));
  measurement.what.cost.flop = flop;
  measurement.what.cost.bytes = bytes;
  return measurement;
}

TEST(Plot, ShowsEveryCaseInTheBarsAndCountedOnesInTheRoofline) {
  Measurement failed = made_measurement("layers/failed", {});
  failed.what.suite = Suite::layers;
  failed.ended = Ended::failed;
  const Elements elements = sound(
      {made_result({timed("kernels/one", 1e-4, 1e9, 1e6), timed("kernels/two", 2e-4, 2e9, 1e9),
                    timed("kernels/uncounted", 3e-4, 0, 1e6), failed})});
  const auto labels = texts(elements);
  for (const char* label :
       {"1  kernels/one", "2  kernels/two", "3  kernels/uncounted", "4  layers/failed",
        "no time: failed", "fp16 800000 GFLOP/s", "fp32 50000 GFLOP/s", "copy 2000 GB/s"})
    EXPECT_THAT(labels, Contains(label));
  EXPECT_THAT(of_class(elements, "bar"), ::testing::SizeIs(3));
  EXPECT_THAT(of_class(elements, "whisker"), ::testing::SizeIs(3));
  EXPECT_THAT(of_class(elements, "ceiling"), ::testing::SizeIs(3));
  EXPECT_THAT(of_class(elements, "mark"), ::testing::SizeIs(4)) << "legend, two cases, the failed";
  EXPECT_THAT(of_class(elements, "small"), ::testing::SizeIs(2));
}

TEST(Plot, LongerTimesHaveLongerBarsFromZero) {
  const Elements bars = of_class(sound({made_result({timed("kernels/one", 1e-4, 1e9, 1e6),
                                                     timed("kernels/two", 2e-4, 1e9, 1e6)})}),
                                 "bar");
  EXPECT_NEAR(number(bars[1], "width") / number(bars[0], "width"), 2.0, 0.01);
}

TEST(Plot, TimesFarApartHaveBarsOnALogarithmicScaleThatSaysSo) {
  const Elements elements =
      sound({made_result({timed("kernels/a", 1e-6, 1, 1), timed("kernels/b", 1e-3, 1, 1),
                          timed("kernels/c", 1, 1, 1)})});
  const Elements bars = of_class(elements, "bar");
  EXPECT_NEAR(number(bars[2], "width") - number(bars[1], "width"),
              number(bars[1], "width") - number(bars[0], "width"), 1.0);
  EXPECT_GT(number(bars[0], "width"), 5.0);
  EXPECT_THAT(texts(elements), Contains("kernels: median time and quartiles, logarithmic"));
}

TEST(Plot, FilesDifferInMarksDashesAndHatchingNotInColourAlone) {
  std::vector<Result> results(most_plotted_results,
                              made_result({timed("kernels/one", 1e-4, 1e9, 1e6)}));
  const Elements elements = sound(results);
  std::set<std::string> outlines;
  std::set<std::string> dashes;
  std::set<std::string> fills;
  for (const XmlElement& mark : of_class(elements, "mark"))
    outlines.insert(mark.attributes.at("d"));
  for (const XmlElement& line : of_class(elements, "ceiling"))
    dashes.insert(line.attributes.at("stroke-dasharray"));
  for (const XmlElement& bar : of_class(elements, "bar")) fills.insert(bar.attributes.at("fill"));
  EXPECT_EQ(outlines.size(), most_plotted_results);
  EXPECT_EQ(dashes.size(), most_plotted_results);
  EXPECT_EQ(fills.size(), most_plotted_results);
  std::set<std::string> defined;
  for (const XmlElement& element : elements) {
    if (element.name == "pattern") defined.insert("url(#" + element.attributes.at("id") + ")");
  }
  EXPECT_EQ(fills, defined) << "each hatching is in the file itself";
}

TEST(Plot, APointBelowItsCeilingStandsBelowItsLine) {
  // At a fourth of the arithmetic's ceiling: log10(4) decades under the line.
  const Elements elements = sound({made_result({timed("kernels/one", 20e-6, 4e9, 2e6)})});
  const Elements lines = of_class(elements, "ceiling");
  const XmlElement mark = of_class(elements, "mark").back();
  const std::string place = mark.attributes.at("transform");
  const double y = std::stod(place.substr(place.find(' ') + 1));
  const double fp32 = number(lines[0], "y1");
  const double fp16 = number(lines[1], "y1");
  const double decade = (fp32 - fp16) / std::log10(16.0);
  EXPECT_NEAR((y - fp16) / decade, std::log10(4.0), 0.02);
}

TEST(Plot, ExtremeValuesStayOnThePage) {
  for (const double flop : {0.0, 1e-300, 1.0, 1e300}) {
    for (const double bytes : {0.0, 1e-300, 1e300}) {
      for (const double seconds : {1e-100, 1.0, 1e100}) {
        SCOPED_TRACE(std::to_string(flop) + " " + std::to_string(bytes));
        Result result = made_result({timed("kernels/extreme", seconds, flop, bytes)});
        EXPECT_THAT(of_class(sound({result}), "bar"), ::testing::SizeIs(1));
        result.ceilings = {};
        EXPECT_THAT(of_class(sound({result}), "ceiling"), ::testing::SizeIs(0));
      }
    }
  }
}

TEST(Plot, OfCasesWithoutACostSaysThatThereIsNoRoofline) {
  EXPECT_THAT(texts(sound({made_result({timed("kernels/one", 1e-4, 0, 0)})})),
              Contains(HasSubstr("there is no roofline")));
}

TEST(Plot, CasesThatOnlyOneFileHasStandOnceAndHundredsFit) {
  std::vector<Measurement> many;
  many.reserve(300);
  for (int index = 0; index < 300; ++index)
    many.push_back(timed("kernels/" + std::to_string(index), 1e-4 * (index + 1), 1e9, 1e6 * index));
  const Elements elements =
      sound({made_result(many), made_result({timed("kernels/7", 1e-3, 1e9, 1e6)})});
  EXPECT_THAT(of_class(elements, "bar"), ::testing::SizeIs(301));
  EXPECT_THAT(texts(elements), Contains("8  kernels/7").Times(1));
}

TEST(Plot, AnyNameGivesValidXml) {
  const auto labels = texts(sound({made_result({timed("a<b>&\"c\"\x01\xff", 1e-4, 1e9, 1e6)})}));
  EXPECT_THAT(labels, Contains("1  a&lt;b&gt;&amp;&quot;c&quot;\uFFFD\uFFFD"));
}

TEST(Plot, DoesNotDependOnTheLocale) {
  const std::vector<Result> results = {made_result({timed("kernels/one", 1.5e-4, 1e9, 1e6)})};
  const std::string before = plot_of(results);
  const graft::test::CommaLocale locale;
  EXPECT_EQ(plot_of(results), before);
}

TEST(Plot, ResultsWithoutTimesAreRefused) {
  Result no_times = made_result({made_measurement("kernels/one", {})});
  no_times.gives_times = false;
  const Result good = made_result({timed("kernels/one", 1e-4, 1e9, 1e6)});
  EXPECT_THAT(error_of([&] {
                plot_of({good, no_times});
              }),
              HasSubstr("Result 2 of 2 (a made device, 0123456789 with changes"));
  EXPECT_THAT(error_of([&] { plot_of({made_result({})}); }), HasSubstr("has no times"));
  EXPECT_THAT(error_of([&] { plot_of({}); }), HasSubstr("no result to draw"));
  EXPECT_THAT(error_of([&] { plot_of(std::vector<Result>(7, good)); }), HasSubstr("7 results"));
}

}  // namespace
}  // namespace graft::bench::test
