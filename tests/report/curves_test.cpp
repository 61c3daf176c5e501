#include <gmock/gmock.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "engine/base/error.h"
#include "engine/report/report.h"
#include "tests/support/support.h"
#include "xml_check.h"

namespace graft::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

const History three_epochs = {
    {0.6, 0.75, 0.3, 0.875}, {0.4, 0.8, 0.2, 0.9}, {0.2, 0.95, 0.5, 0.85}};

History long_history(std::size_t epochs) {
  History history;
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
    const double x = static_cast<double>(epoch) / static_cast<double>(epochs);
    history.push_back({1.5 - x, 0.5 + 0.4 * x, 1.2 - 0.5 * x, 0.6 + 0.3 * x});
  }
  return history;
}

std::vector<double> numbers_in(const std::string& text) {
  std::vector<double> numbers;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) {
    double value = 0.0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error == std::errc{}) {
      numbers.push_back(value);
      at = next;
    } else {
      ++at;
    }
  }
  return numbers;
}

const XmlElement& series(const std::vector<XmlElement>& elements, const std::string& id) {
  const XmlElement* found = nullptr;
  for (const XmlElement& element : elements) {
    if (element.name != "polyline" || element.attributes.at("id") != id) continue;
    if (found != nullptr) throw std::runtime_error(id + " is drawn twice");
    found = &element;
  }
  if (found == nullptr) throw std::runtime_error(id + " is not drawn");
  return *found;
}

std::vector<std::string> texts(const std::vector<XmlElement>& elements) {
  std::vector<std::string> result;
  for (const XmlElement& element : elements) {
    if (element.name == "text") result.push_back(element.text);
  }
  return result;
}

// One point per epoch, inside the page, and every number of the drawing finite.
void expect_sound(const History& history) {
  const std::string svg = curves_svg(history, "title");
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  const auto elements = parse_xml(svg);
  for (const char* id : {"loss", "accuracy", "val_loss", "val_accuracy"}) {
    const auto points = numbers_in(series(elements, id).attributes.at("points"));
    ASSERT_EQ(points.size(), 2 * history.size()) << id;
    for (std::size_t index = 0; index < points.size(); index += 2) {
      EXPECT_TRUE(points[index] > 0 && points[index] < 960) << id << " " << points[index];
      EXPECT_TRUE(points[index + 1] > 0 && points[index + 1] < 430) << id;
    }
  }
}

TEST(Curves, DrawEachSeriesOnceForAnyNumberOfEpochs) {
  for (const std::size_t epochs : {1U, 2U, 3U, 7U, 20U, 60U, 61U, 1000U}) {
    SCOPED_TRACE(epochs);
    expect_sound(long_history(epochs));
  }
}

TEST(Curves, ConstantAndExtremeValuesHaveARange) {
  for (const double loss : {0.0, 1e-12, 0.5, 1e6, 1e300}) {
    for (const double accuracy : {0.0, 0.5, 1.0}) {
      SCOPED_TRACE(std::to_string(loss) + ", " + std::to_string(accuracy));
      expect_sound(History(1, {loss, accuracy, loss, accuracy}));
      expect_sound(History(5, {loss, accuracy, loss, accuracy}));
    }
  }
}

TEST(Curves, HigherValuesStandHigherAndLaterEpochsToTheRight) {
  const auto elements = parse_xml(curves_svg(three_epochs, "title"));
  const auto points = numbers_in(series(elements, "val_accuracy").attributes.at("points"));
  EXPECT_LT(points[0], points[2]);
  EXPECT_LT(points[2], points[4]);
  EXPECT_LT(points[3], points[1]) << ".9 above .875";
  EXPECT_LT(points[1], points[5]) << ".875 above .85";
  EXPECT_NEAR((points[5] - points[3]) / (points[1] - points[3]), 2.0, 0.01) << "a linear axis";
}

TEST(Curves, AxesHaveRoundTicks) {
  const auto labels = texts(parse_xml(curves_svg(three_epochs, "title")));
  for (const char* label : {"0.0", "0.2", "0.4", "0.6", "0.75", "0.80", "0.95"}) {
    EXPECT_THAT(labels, Contains(label));
  }
  const auto of_1000 = texts(parse_xml(curves_svg(long_history(1000), "title")));
  for (const char* label : {"1", "200", "400", "600", "800", "1000"}) {
    EXPECT_THAT(of_1000, Contains(label).Times(2)) << label;
  }
}

TEST(Curves, TheTwoLinesDifferInDashesAndMarksNotInColourAlone) {
  const auto elements = parse_xml(curves_svg(three_epochs, "title"));
  for (const auto& [training, validation] :
       {std::pair{"loss", "val_loss"}, std::pair{"accuracy", "val_accuracy"}}) {
    EXPECT_NE(series(elements, training).attributes.at("stroke-dasharray"),
              series(elements, validation).attributes.at("stroke-dasharray"));
  }
  std::vector<std::string> fills;
  std::size_t circles = 0;
  for (const XmlElement& element : elements) {
    if (element.name == "g") fills.push_back(element.attributes.at("fill"));
    circles += element.name == "circle" ? 1 : 0;
  }
  ASSERT_EQ(fills.size(), 4U);
  EXPECT_NE(fills[0], fills[1]);
  EXPECT_EQ(circles, 4 * three_epochs.size() + 2) << "a mark for each value, two in the legend";
}

TEST(Curves, NameWhatTheyShow) {
  const std::string svg = curves_svg(three_epochs, "Solar cells");
  const auto labels = texts(parse_xml(svg));
  for (const char* label : {"Solar cells", "Loss", "Accuracy", "training", "validation", "epoch"}) {
    EXPECT_THAT(labels, Contains(label));
  }
  EXPECT_THAT(labels, Contains(HasSubstr("0.9000 in epoch 2, 0.8500 in the last (3)")));
}

TEST(Curves, AnyTitleGivesValidXml) {
  const auto title_of = [](const std::string& title) {
    for (const XmlElement& element : parse_xml(curves_svg(three_epochs, title))) {
      if (element.name == "title") return element.text;
    }
    return std::string("none");
  };
  EXPECT_EQ(title_of("<b> & \"c\" 'd'"), "&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(title_of("Käthe 猫 😀"), "Käthe 猫 😀");
  EXPECT_EQ(title_of("a\nb\x01"
                     "c"),
            "a\uFFFDb\uFFFDc");
  EXPECT_EQ(title_of("\xff\xc3"), "\uFFFD\uFFFD");
  EXPECT_EQ(title_of("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD") << "half of a surrogate pair";
  EXPECT_EQ(title_of("\xef\xbf\xbf"), "\uFFFD\uFFFD\uFFFD") << "U+FFFF is no character of XML";
  EXPECT_EQ(title_of(""), "");
}

TEST(Curves, ALongTitleIsShortenedBeforeTheLegendAndWholeForReaders) {
  const std::string title(100, 'x');
  const std::string svg = curves_svg(three_epochs, title);
  EXPECT_THAT(texts(parse_xml(svg)), Contains(std::string(60, 'x') + "…"));
  EXPECT_THAT(svg, HasSubstr("<title>" + title + "</title>"));
}

TEST(Curves, BringTheirBackgroundAndNoOutsideThings) {
  const std::string svg = curves_svg(three_epochs, "title");
  const auto elements = parse_xml(svg);
  EXPECT_EQ(elements[0].name, "svg");
  EXPECT_THAT(svg, HasSubstr("<rect"));
  for (const char* outside : {"<script", "href", "@import", "url(", "<image", "@font-face"}) {
    EXPECT_THAT(svg, Not(HasSubstr(outside)));
  }
}

TEST(Curves, OfNothingOrOfNumbersThatAreNotFiniteAreRefused) {
  EXPECT_THROW(curves_svg({}, "title"), Error);
  EXPECT_THROW(curves_svg({{std::numeric_limits<double>::quiet_NaN(), 0, 0, 0}}, "title"), Error);
  EXPECT_THROW(curves_svg({{0, 0, std::numeric_limits<double>::infinity(), 0}}, "title"), Error);
}

TEST(XmlCheck, FindsFaults) {
  for (const char* text : {"", "<a>", "<a></b>", "<a b=1/>", "<a b=\"1\" b=\"2\"/>", "<a>&</a>",
                           "<a>\x01</a>", "<a/><b/>", "<a b=\"<\"/>", "<a>\xff</a>", "text"}) {
    EXPECT_THROW(parse_xml(text), std::runtime_error) << text;
  }
  EXPECT_EQ(parse_xml("<a b=\"&amp;\"><c/>x</a>").size(), 2U);
}

}  // namespace
}  // namespace graft::test
