import math
import unittest
from array import array

import support
from peers.work import Values, difference, mean_difference, read_npy


class Agreement(support.InFolder):
    def values(self, *floats: float) -> Values:
        return Values((len(floats),), array("f", floats))

    def test_is_the_largest_difference_over_the_largest_value(self) -> None:
        self.assertEqual(difference(self.values(0.0, 3.0), self.values(1.0, -4.0)), 1.75)

    def test_the_mean_is_taken_over_the_mean_size(self) -> None:
        self.assertEqual(mean_difference(self.values(0.0, 3.0), self.values(1.0, -4.0)), 8.0 / 5.0)
        for bad in (math.nan, math.inf):
            self.assertEqual(mean_difference(self.values(bad, 1.0), self.values(1.0, 1.0)), math.inf)
        self.assertEqual(mean_difference(self.values(0.0), self.values(0.0)), math.inf)

    def test_what_is_not_finite_agrees_with_nothing(self) -> None:
        for bad in (math.nan, math.inf):
            self.assertEqual(difference(self.values(bad, 1.0), self.values(bad, 1.0)), math.inf)

    def test_all_zero_agrees_with_nothing(self) -> None:
        self.assertEqual(difference(self.values(0.0), self.values(0.0)), math.inf)

    def test_shapes_must_match(self) -> None:
        with self.assertRaisesRegex(ValueError, "shape"):
            difference(self.values(1.0), self.values(1.0, 1.0))

    def npy(self, header: str, floats: array) -> Values:
        support.write_npy(self.folder / "values.npy", header, floats)
        return read_npy(self.folder / "values.npy")

    def test_reads_numpys_file(self) -> None:
        floats = array("f", [1, 2, 3, 4, 5, 6])
        found = self.npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", floats)
        self.assertEqual((found.shape, found.floats), ((2, 3), floats))

    def test_refuses_another_type_order_or_size(self) -> None:
        good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
        for bad in (good.replace("<f4", "<i4"), good.replace("False", "True"), good.replace("2,", "3,")):
            with self.assertRaisesRegex(ValueError, "values.npy"):
                self.npy(bad, array("f", [1, 2]))


if __name__ == "__main__":
    unittest.main()
