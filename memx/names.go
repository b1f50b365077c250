package memx

import "slices"

// namesAtOnce is how many names a block has at most: to add one moves half of them on average.
const namesAtOnce = 512

// names is a set of texts in the order of their bytes: sorted blocks of a bounded size, in order. To add or
// to remove one of 100,000 takes some 20 comparisons and moves a few KB; in one array it would be a MB.
type names struct{ blocks [][]string }

// block returns which block a name is in, if it is in the set.
func (n *names) block(name string) int {
	at, exact := slices.BinarySearchFunc(n.blocks, name, func(block []string, name string) int {
		switch {
		case name < block[0]:
			return 1
		case name > block[0]:
			return -1
		}
		return 0
	})
	if exact {
		return at
	}
	return max(0, at-1)
}

func (n *names) add(name string) {
	if len(n.blocks) == 0 {
		n.blocks = [][]string{{name}}
		return
	}
	b := n.block(name)
	at, exact := slices.BinarySearch(n.blocks[b], name)
	if exact {
		return
	}
	block := slices.Insert(n.blocks[b], at, name)
	if len(block) <= namesAtOnce {
		n.blocks[b] = block
		return
	}
	half := len(block) / 2
	n.blocks[b] = slices.Clone(block[:half])
	n.blocks = slices.Insert(n.blocks, b+1, slices.Clone(block[half:]))
}

func (n *names) remove(name string) {
	if len(n.blocks) == 0 {
		return
	}
	b := n.block(name)
	at, exact := slices.BinarySearch(n.blocks[b], name)
	if !exact {
		return
	}
	if len(n.blocks[b]) == 1 {
		n.blocks = shrunkSlice(slices.Delete(n.blocks, b, b+1))
		return
	}
	n.blocks[b] = shrunkSlice(slices.Delete(n.blocks[b], at, at+1))
}

// after returns at most limit names behind one.
func (n *names) after(name string, limit int) []string {
	var page []string
	if len(n.blocks) == 0 {
		return nil
	}
	b := n.block(name)
	at, exact := slices.BinarySearch(n.blocks[b], name)
	if exact {
		at++
	}
	for ; b < len(n.blocks) && len(page) < limit; b, at = b+1, 0 {
		block := n.blocks[b][at:]
		page = append(page, block[:min(len(block), limit-len(page))]...)
	}
	return page
}
