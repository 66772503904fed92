/** The unit of grants and of Xen's memory counts, whatever the page size of the kernel. */
export const XEN_PAGE_BYTES = 4096;
